"""A lock on a folder, which ends with its process."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from alexc.printable import printable

from .errors import UserError

LOCK = "lock"


@contextmanager
def folder_lock(folder: Path, wait: bool = False) -> Iterator[None]:
    """Hold a lock on `folder`, which is created if it is missing. The lock also ends when the process is killed.

    The holder may remove the folder.

    Args:
        folder: the folder.
        wait: wait for another process that holds it, with a line on standard error.

    Raises:
        UserError: another process holds it.
    """
    lock = FileLock(folder / LOCK, thread_local=False)
    _acquire(lock, folder, wait)
    try:
        yield
    finally:
        lock.release()
        with suppress(OSError):  # Windows keeps a folder with an open file; it is empty if its holder wanted it removed
            folder.rmdir()


def _acquire(lock: FileLock, folder: Path, wait: bool) -> None:
    told = False
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(blocking=told)
            return
        except FileNotFoundError:  # its last holder has just removed the folder
            continue
        except Timeout:
            if not (folder / LOCK).exists():  # its last holder has just removed the file
                continue
            if not wait:
                busy = f"{printable(folder)} is in use by another process: wait for it or stop it"
                raise UserError(busy) from None
            if not told:
                print(f"waiting for the process that makes {printable(folder)}", file=sys.stderr, flush=True)
                told = True
