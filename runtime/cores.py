"""The number of processor cores that this process may use."""

from __future__ import annotations

import os


def available_cores() -> int:
    """The cores in the process's affinity mask; all cores where the system has no such mask."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
