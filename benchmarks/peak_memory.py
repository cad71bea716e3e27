"""The peak memory of a process."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path


def peak_kilobytes(pid: int) -> int:
    """The peak of a process's resident memory so far, in kB of 1,024 bytes; 0 after the process has ended."""
    with suppress(OSError):
        found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(encoding="utf-8"))
        return int(found.group(1)) if found else 0
    return 0
