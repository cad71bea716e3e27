"""`random_resized_crop`: a window of random area and shape, scaled to the size of the view."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..sides import Sides
from .augmentation import Augmentation, Draw, ImageSource, View

_ATTEMPTS = 10


@dataclass(frozen=True)
class RandomResizedCrop(Augmentation):
    """Scale a random window to `size`: its area is from `smallest` to 1 of the image (Szegedy et al. 2015).

    The logarithm of width / height is uniform between those of 1 / aspect and aspect. If ten windows in a row do not
    fit into the image, the largest central window of such a shape is taken, as by torchvision's transform of this name.
    """

    draw_order: ClassVar[int] = 3
    scales: ClassVar[bool] = True

    size: Sides
    smallest: float = 0.08
    aspect: float = 1.333333

    @property
    def view_size(self) -> Sides:
        """The size of the view."""
        return self.size

    def drawing(self, source: ImageSource) -> Draw:
        """Drawn as torchvision's RandomResizedCrop draws."""

        def draw(view: View, random: np.random.Generator) -> None:
            view.top, view.left, *window = self._window(random, source.stored)
            view.window = (window[0], window[1])

        return draw

    def _window(self, random: np.random.Generator, stored: tuple[int, int]) -> tuple[int, int, int, int]:
        """Top, left, height and width."""
        most_rows, most_columns = stored
        for _ in range(_ATTEMPTS):
            area = most_rows * most_columns * random.uniform(self.smallest, 1)
            aspect = math.exp(random.uniform(-math.log(self.aspect), math.log(self.aspect)))
            height, width = round(math.sqrt(area / aspect)), round(math.sqrt(area * aspect))
            if 0 < height <= most_rows and 0 < width <= most_columns:
                top, left = random.integers(most_rows - height + 1), random.integers(most_columns - width + 1)
                return int(top), int(left), height, width
        height = min(most_rows, round(most_columns * self.aspect))
        width = min(most_columns, round(most_rows * self.aspect))
        return (most_rows - height) // 2, (most_columns - width) // 2, height, width
