"""`random_crop`: a window at a random place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from .augmentation import Augmentation, Draw, ImageSource, View


@dataclass(frozen=True)
class RandomCrop(Augmentation):
    """Cut a square of `size` by `size` pixels at a random place (section 4.1), the same for `group` images in a row."""

    draw_order: ClassVar[int] = 0

    size: int
    group: int = 1

    @property
    def view_size(self) -> int:
        """Pixels a side."""
        return self.size

    def drawing(self, source: ImageSource) -> Draw:
        """Every place is equally likely."""
        places = source.stored - source.size + 1

        def draw(view: View, random: np.random.Generator) -> None:
            view.top, view.left = int(random.integers(places)), int(random.integers(places))

        return draw
