"""A file that a command writes for the user: never in place of one that is there."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from alexc.runtime.durable_files import write_bytes
from alexc.runtime.errors import UserError
from alexc.runtime.not_written import not_written
from alexc.runtime.printable import printable


def check_new(out: Path) -> None:
    """Check that nothing is at `out`, and that its folder is there.

    Raises:
        UserError: when it is otherwise.
    """
    if out.exists():
        raise UserError(f"{printable(out)} is already there: move it away, or name another file with --out")
    if not out.parent.is_dir():
        missing = FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        raise not_written(out, missing, ", or name another file with --out")


def write_new(out: Path, content: bytes) -> None:
    """Write the file, whole or not at all.

    Raises:
        UserError: when it cannot be written.
    """
    try:
        write_bytes(out, content)
    except OSError as error:
        raise not_written(out, error, ", or name another file with --out") from None
