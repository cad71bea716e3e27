"""The most memory that a process has held."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path


def peak_kilobytes(pid: int) -> int:
    """The most that a process has had resident so far, kB of 1,024 bytes; 0 when it is gone."""
    with suppress(OSError):
        found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
        return int(found.group(1)) if found else 0
    return 0
