"""What there is where a path is missing, for messages."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from difflib import get_close_matches
from itertools import islice
from pathlib import Path

from .printable import printable

FOLDER = ""  # in place of a suffix
_MOST_READ = 1000  # entries of one folder
_MOST_FOLDERS = 50
_MOST_SHOWN = 5


def nearby(path: Path, *suffixes: str) -> str:
    """The end of a message about a path that does not exist: what is like it, or what is there.

    Looks in the folder of the path and in the folders in it. If that folder is missing too, names those beside it.

    Args:
        path: the missing path.
        suffixes: the endings of what it could be, such as `.net`; `FOLDER` stands for a folder.

    Returns:
        For example "; did you mean examples/resnet50.net?". Empty if the path exists, or if
        there is nothing of this kind.
    """
    with suppress(OSError, ValueError):
        if path.exists():
            return ""
        folder = next(each for each in path.parents if each.is_dir())
        if folder != path.parent:
            missing = folder / path.relative_to(folder).parts[0]
            folders = _entries(folder, (FOLDER,))
            there = _did_you_mean(_most_like(missing, folders)) or _list(folder, folders)
            return f"; there is no folder {printable(missing)}{there}"
        here = [each for each in _entries(folder, suffixes) if each.suffix]
        return _did_you_mean(most_like(path, *suffixes)) or _list(folder, here)
    return ""


def most_like(path: Path, *suffixes: str) -> Path | None:
    """What is most like a path that does not exist: in its folder, or else in the folders in it; None without such."""
    with suppress(OSError, ValueError):
        if path.parent.is_dir():
            return _most_like(path, _entries(path.parent, suffixes)) or _most_like(path, _below(path.parent, suffixes))
    return None


def _entries(folder: Path, suffixes: Sequence[str]) -> list[Path]:
    with os.scandir(folder) as entries:
        found = [
            folder / entry.name
            for entry in islice(entries, _MOST_READ)
            if not entry.name.startswith(".")
            and (FOLDER if entry.is_dir() else Path(entry.name).suffix or None) in suffixes
        ]
    return sorted(found)


def _below(folder: Path, suffixes: Sequence[str]) -> list[Path]:
    found: list[Path] = []
    for each in _entries(folder, (FOLDER,))[:_MOST_FOLDERS]:
        with suppress(OSError):  # a folder that may not be looked into
            found += _entries(each, suffixes)
    return found


def _most_like(asked: Path, found: Sequence[Path]) -> Path | None:
    stems = {each.stem: each for each in reversed(found)}
    near = get_close_matches(asked.stem, stems, n=1)
    return stems[near[0]] if near else None


def _did_you_mean(near: Path | None) -> str:
    return "" if near is None else f"; did you mean {printable(near)}?"


def _list(folder: Path, found: Sequence[Path]) -> str:
    if not found:
        return ""
    rest = len(found) - _MOST_SHOWN
    more = f" and {rest} more" if rest > 0 else ""
    where = "the current folder" if folder == Path() else printable(folder)
    return f"; {where} holds {', '.join(printable(each.name) for each in found[:_MOST_SHOWN])}{more}"
