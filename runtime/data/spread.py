"""Evenly spaced indices."""

from __future__ import annotations

import numpy as np


def spread(count: int, most: int) -> list[int]:
    """At most `most` of the indices 0..count - 1, evenly spaced, with the first and the last."""
    return list(dict.fromkeys(np.linspace(0, count - 1, min(count, most)).round().astype(int).tolist()))
