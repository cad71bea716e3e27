"""Files that a command writes anew each time: over one that alexc made, and over no other."""

from __future__ import annotations

from pathlib import Path

from alexc.runtime.errors import UserError
from alexc.runtime.printable import printable

_FIRST_BYTES = 2000  # where the mark lies


def check_own(target: Path, mark: str, remedy: str) -> None:
    """Check that nothing is at `target`, or a file that alexc made, which `mark` near its beginning tells.

    Raises:
        UserError: something else is there; a link is, too.
    """
    if target.is_symlink() or (target.exists() and not _is_marked(target, mark)):
        raise UserError(f"{printable(target)}: exists and was not made by alexc; move it away, or {remedy}")


def _is_marked(target: Path, mark: str) -> bool:
    if not target.is_file():
        return False
    try:
        with target.open("rb") as file:
            return mark in file.read(_FIRST_BYTES).decode("utf-8", "replace")
    except OSError:
        return False  # what cannot be read is not known to be alexc's
