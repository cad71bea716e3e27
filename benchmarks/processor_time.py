"""Processor time, over all cores."""

from __future__ import annotations

import resource
import time


def seconds_of_children() -> float:
    """The processor seconds of all child processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def seconds_with_children() -> float:
    """Processor seconds of this process and of its finished child processes."""
    return time.process_time() + seconds_of_children()
