"""Temporary folders that are removed even if their process is killed: then by the next command that makes one."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .errors import UserError
from .folder_lock import LOCK, folder_lock

_PREFIX = "alexc-"


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A new folder, which is removed at the end of the block."""
    for left_over in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        _remove_if_unused(left_over)
    folder, owner = Path(tempfile.mkdtemp(prefix=_PREFIX)), os.getpid()
    try:
        with folder_lock(folder):
            yield folder
    finally:
        if os.getpid() == owner:  # a forked process, as of torch's DataLoader, lets go of it when it begins
            shutil.rmtree(folder, ignore_errors=True)


def _remove_if_unused(folder: Path) -> None:
    """Remove a folder of this user whose process has ended: its lock is free."""
    with suppress(OSError, UserError):
        if folder.is_symlink() or not _is_own(folder) or not (folder / LOCK).is_file():
            return
        with folder_lock(folder):
            shutil.rmtree(folder, ignore_errors=True)


def _is_own(folder: Path) -> bool:
    """Whether the folder belongs to this user; on Windows, each user has a temporary folder of his own."""
    return sys.platform == "win32" or folder.stat().st_uid == os.getuid()
