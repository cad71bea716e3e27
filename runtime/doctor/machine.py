"""The cores and the memory that this process may use."""

from __future__ import annotations

import math
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from ..cores import available_cores
from .section import Finding, Section

_CGROUP = Path("/sys/fs/cgroup")
_LITTLE_MEMORY = 2 * 10**9  # torch, a small network and its batches


@dataclass(frozen=True)
class Memory:
    """In bytes; `limit` is the memory limit of the container. What is not limited, or not known, is infinite."""

    total: float
    free: float
    limit: float

    @property
    def usable(self) -> float:
        """The memory that training can use."""
        return min(self.free, self.limit)


def machine(memory: Memory) -> Section:
    """Rows on cores and memory."""
    cores, quota = available_cores(), core_quota()
    granted = f"; the CPU limit of the container is {quota:g}" if quota < cores else ""
    known = f"{_gigabytes(memory.total)}, {_gigabytes(memory.free)} of it free"
    rows = [
        ("cores", f"{cores} of {os.cpu_count()}{granted}"),
        ("memory", "not known on this system" if math.isinf(memory.total) else known),
    ]
    if memory.limit < memory.total:
        rows.append(("", f"the container grants {_gigabytes(memory.limit)}"))
    findings = []
    if memory.usable < _LITTLE_MEMORY:
        findings.append(
            Finding(
                f"only {_gigabytes(memory.usable)} of memory can be used: end other programs, or take small batches"
            )
        )
    return Section("machine", tuple(rows), tuple(findings))


def memory_here() -> Memory:
    """The memory of this machine; not known on Windows."""
    if sys.platform == "win32":
        return Memory(math.inf, math.inf, math.inf)
    page = os.sysconf("SC_PAGE_SIZE")
    total, free = page * os.sysconf("SC_PHYS_PAGES"), None
    try:
        lines = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
        free = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration):
        free = total  # /proc/meminfo exists only on Linux
    return Memory(total, free, container_memory())


def container_memory(root: Path = _CGROUP) -> float:
    """The memory limit of the container in bytes, from cgroups version 2 or 1."""
    limits = (_first_number(root / name) for name in ("memory.max", "memory/memory.limit_in_bytes"))
    return min((limit for limit in limits if limit is not None), default=math.inf)


def core_quota(root: Path = _CGROUP) -> float:
    """The CPU limit of the container, in cores."""
    try:
        quota, period = (root / "cpu.max").read_text(encoding="utf-8").split()
        return int(quota) / int(period)
    except (OSError, ValueError):  # no such file, or "max"
        return math.inf


def _first_number(path: Path) -> int | None:
    try:
        return int(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _gigabytes(count: float) -> str:
    return f"{count / 1e9:.1f} GB"
