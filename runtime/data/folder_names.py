"""Names in folders of images: folders that systems add to them, and the Unicode forms of one name."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from typing import Literal

# What macOS, NAS devices, Linux and Windows put beside or between the files of users.
_OF_SYSTEMS = frozenset((
    "__macosx", "@eadir", "@tmp", "@recycle", "#recycle", "#snapshot", "lost+found", "$recycle.bin",
    "system volume information",
))  # fmt: skip
# macOS writes é as two characters, e and an accent; most other systems as one.
_FORMS: tuple[Literal["NFC", "NFD"], ...] = ("NFC", "NFD")


def is_of_a_system(name: str) -> bool:
    """Whether a folder of this name is no folder of the user: it holds thumbnails, lost files or a recycle bin."""
    return name.casefold() in _OF_SYSTEMS


def composed(name: str) -> str:
    """The name in the form NFC, in which an accent and its letter are one character."""
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def path_in_its_form(path: str, exists: Callable[[str], bool]) -> str:
    """A path with each of its names in the Unicode form that exists.

    Args:
        path: with `/` between the names.
        exists: whether there is a file or folder of a path.
    """
    if path.isascii():
        return path
    found = ""
    for name in path.split("/"):
        forms = (name, *(unicodedata.normalize(form, name) for form in _FORMS))
        there = (f"{found}/{each}" if found else each for each in forms)
        found = next(filter(exists, there), f"{found}/{name}" if found else name)
    return found
