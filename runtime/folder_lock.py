"""A lock on a folder, which ends with its process."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alexc.printable import printable

from .errors import UserError

LOCK = "lock"


@contextmanager
def folder_lock(folder: Path) -> Iterator[None]:
    """Hold a lock on `folder`, which is created if it is missing. The lock also ends when the process is killed.

    Raises:
        UserError: another process holds it.
    """
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise UserError(f"{printable(folder)} is in use by another process: wait for it or stop it") from None
            if _still_there(folder / LOCK, descriptor):
                yield
                return
        finally:
            os.close(descriptor)


def _still_there(path: Path, descriptor: int) -> bool:
    """Whether the locked file is still the one at `path`: its last holder may have removed it."""
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
