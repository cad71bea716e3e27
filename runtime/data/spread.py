"""A few of many, evenly."""

from __future__ import annotations

import numpy as np


def spread(count: int, most: int) -> list[int]:
    """At most `most` of the places 0..count - 1, evenly, the first and the last among them."""
    return list(dict.fromkeys(np.linspace(0, count - 1, min(count, most)).round().astype(int).tolist()))
