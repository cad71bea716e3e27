"""How many processor cores this process may use."""

from __future__ import annotations

import os


def available_cores() -> int:
    """The cores that the process is allowed on, where the system tells; else all of them."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
