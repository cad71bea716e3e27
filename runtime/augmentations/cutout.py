"""`cutout`: a blank square at a random place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from .augmentation import Augmentation, Draw, ImageSource, View


@dataclass(frozen=True)
class Hole:
    """A rectangle of the view that is set to zero."""

    top: int
    left: int
    bottom: int
    right: int

    def __call__(self, pixels: NDArray[np.float32]) -> None:
        """Blank it in `pixels` (height, width, channels)."""
        pixels[self.top : self.bottom, self.left : self.right] = 0


@dataclass(frozen=True)
class Cutout(Augmentation):
    """Set a square of `size` by `size` pixels to zero; its centre is anywhere in the view (DeVries and Taylor 2017)."""

    draw_order: ClassVar[int] = 5

    size: int

    def drawing(self, source: ImageSource) -> Draw:
        """Two draws: row and column of the centre. The square is cut off at the edges of the view."""
        height, width = source.size

        def draw(view: View, random: np.random.Generator) -> None:
            top, left = (int(random.integers(side)) - self.size // 2 for side in source.size)
            bottom, right = min(height, top + self.size), min(width, left + self.size)
            view.overlays = (*view.overlays, Hole(max(0, top), max(0, left), bottom, right))

        return draw
