"""`random_crop`: a window at a random place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..sides import Sides
from .augmentation import Augmentation, ViewSource
from .view import Numbers, Views


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

    def draw(self, source: ViewSource, random: np.random.Generator, views: int) -> Numbers:
        """(views, 2): row and column; every place is equally likely."""
        places = np.subtract(source.stored, source.size) + 1
        return random.integers(places, size=(views, 2)).astype(np.float64)

    def change(self, views: Views, drawn: Numbers) -> None:
        """Move each window to its place."""
        views.places = drawn.astype(np.int64)
