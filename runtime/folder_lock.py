"""A lock on a folder, which ends with its process."""

from __future__ import annotations

import fcntl
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alexc.printable import printable

from .errors import UserError

LOCK = "lock"


@contextmanager
def folder_lock(folder: Path, wait: bool = False) -> Iterator[None]:
    """Hold a lock on `folder`, which is created if it is missing. The lock also ends when the process is killed.

    Args:
        folder: the folder.
        wait: wait for another process that holds it, with a line on standard error.

    Raises:
        UserError: another process holds it.
    """
    told = False
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
        except FileNotFoundError:  # its last holder has just removed the folder
            continue
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if not wait:
                    busy = f"{printable(folder)} is in use by another process: wait for it or stop it"
                    raise UserError(busy) from None
                if not told:
                    print(f"waiting for the process that makes {printable(folder)}", file=sys.stderr, flush=True)
                    told = True
                fcntl.flock(descriptor, fcntl.LOCK_EX)
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
