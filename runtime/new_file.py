"""A file that a command writes for the user: never in place of one that is there."""

from __future__ import annotations

from pathlib import Path

from alexc.runtime.durable_files import write_bytes
from alexc.runtime.errors import UserError
from alexc.runtime.printable import printable


def check_new(out: Path) -> None:
    """Check that nothing is at `out`, and that its folder is there.

    Raises:
        UserError: when it is otherwise.
    """
    if out.exists():
        raise UserError(f"{printable(out)} is already there: move it away, or name another file with --out")
    if not out.parent.is_dir():
        raise UserError(
            f"{printable(out)} cannot be written: there is no folder {printable(out.parent)}: make it, or name another "
            "file with --out"
        )


def write_new(out: Path, content: bytes) -> None:
    """Write the file, whole or not at all.

    Raises:
        UserError: when it cannot be written.
    """
    try:
        write_bytes(out, content)
    except OSError as error:
        raise UserError(f"{printable(out)} cannot be written: {error.strerror}") from None
