"""`random_crop`: a window at a random place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..sides import Sides
from .augmentation import Augmentation, Draw, ImageSource, View


@dataclass(frozen=True)
class RandomCrop(Augmentation):
    """Cut a window of `size` at a random place (section 4.1), the same for `group` images in a row."""

    draw_order: ClassVar[int] = 0

    size: Sides
    group: int = 1

    @property
    def view_size(self) -> Sides:
        """The size of the view."""
        return self.size

    def drawing(self, source: ImageSource) -> Draw:
        """Every place is equally likely."""
        rows, columns = (stored - size + 1 for stored, size in zip(source.stored, source.size, strict=True))

        def draw(view: View, random: np.random.Generator) -> None:
            view.top, view.left = int(random.integers(rows)), int(random.integers(columns))

        return draw
