"""Python's search for circular garbage, put off while a pass runs.

The passes make many small frozen values and no circles: searching them again and again would make the time per layer
grow with the length of a spec.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def gc_paused() -> Iterator[None]:
    """No search within; also the decorator of a function that makes no circles."""
    searching = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if searching:
            gc.enable()
