"""Pauses Python's garbage collector while a compiler stage runs.

The stages create many small frozen values and no reference cycles. The collector would visit all of them again and
again, so the time per layer would grow with the length of a spec.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def gc_paused() -> Iterator[None]:
    """Pause the garbage collector in the block. Also a decorator, for functions that create no reference cycles."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
