"""What is told where something cannot be written: in one form, with the reason and the next step."""

from __future__ import annotations

import errno
from pathlib import Path

from alexc.runtime.errors import UserError
from alexc.runtime.printable import printable


def not_written(path: Path, error: OSError, more: str = "") -> UserError:
    """The mistake: `X cannot be written (the disk is full): make room`, and `more` behind it."""
    reason, step = reason_and_step(path, error)
    return UserError(f"{printable(path)} cannot be written ({reason}): {step}{more}")


def reason_and_step(path: Path, error: OSError) -> tuple[str, str]:
    """What was in the way, and what to do about it."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "the disk is full", "make room"
    reason = (error.strerror or str(error)).lower()
    if not path.parent.exists():
        return reason, f"make the folder {printable(path.parent)}"
    return reason, "make it writable"
