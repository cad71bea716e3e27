"""`cutout`: a blank square at a random place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from .augmentation import Augmentation, ViewSource
from .view import Numbers, Views


@dataclass(frozen=True)
class Cutout(Augmentation):
    """Set a square of `size` by `size` pixels to zero; its centre is anywhere in the view (DeVries and Taylor 2017)."""

    draw_order: ClassVar[int] = 5

    size: int

    def draw(self, source: ViewSource, random: np.random.Generator, views: int) -> Numbers:
        """(views, 4): top, left, bottom and right. The square is cut off at the edges of the view."""
        first = random.integers(source.size, size=(views, 2)) - self.size // 2
        last = np.minimum(first + self.size, source.size)
        return np.hstack([np.maximum(first, 0), last]).astype(np.float64)

    def change(self, views: Views, drawn: Numbers) -> None:
        """Blank the squares."""
        views.holes = (*views.holes, drawn.astype(np.int64))
