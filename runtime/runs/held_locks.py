"""Which locks are held on this machine, as Linux lists them. Nothing is locked to find out."""

from __future__ import annotations

import os
from collections import defaultdict
from contextlib import suppress
from pathlib import Path

_LIST = Path("/proc/locks")


class HeldLocks:
    """The locks that were held when this was made."""

    def __init__(self) -> None:
        self._holders: defaultdict[int, list[int]] | None
        try:
            self._holders = defaultdict(list)
            for line in _LIST.read_text(encoding="ascii").splitlines():
                # 1: FLOCK  ADVISORY  WRITE 10867 fe:00:2146489 0 EOF
                words = line.split()
                if "->" not in words:  # a process that waits for the lock
                    self._holders[int(words[5].rpartition(":")[2])].append(int(words[4]))
        except (OSError, ValueError, IndexError):
            self._holders = None

    def holds(self, lock: Path) -> bool | None:
        """Whether a process of this machine holds a lock on this file; None if the system does not tell."""
        if self._holders is None:
            return None
        try:
            status = lock.stat()
        except OSError:
            return False
        return any(_has_open(process, status) for process in self._holders.get(status.st_ino, ()))


def _has_open(process: int, status: os.stat_result) -> bool:
    """Whether a process that has locked a file with this inode number has this file open.

    Two disks can have files with one number, and the list names devices otherwise than `stat` on some file systems.
    If the process does not show its files, as one of another user, the number decides.
    """
    try:
        descriptors = list(Path(f"/proc/{process}/fd").iterdir())
    except OSError:
        return True
    for descriptor in descriptors:
        with suppress(OSError):  # closed since then
            if os.path.samestat(descriptor.stat(), status):
                return True
    return False
