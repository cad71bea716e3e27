"""`random_resized_crop`: a window of random area and shape, scaled to the size of the view."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from .augmentation import Augmentation, Draw, ImageSource, View

_ATTEMPTS = 10


@dataclass(frozen=True)
class RandomResizedCrop(Augmentation):
    """Scale a random window to `size` by `size`: its area is from `smallest` to 1 of the image (Szegedy et al. 2015).

    The logarithm of width / height is uniform between those of 1 / aspect and aspect. If ten windows in a row do not
    fit into the image, the whole image is taken, as by torchvision's transform of this name.
    """

    draw_order: ClassVar[int] = 3
    scales: ClassVar[bool] = True

    size: int
    smallest: float = 0.08
    aspect: float = 1.333333

    @property
    def view_size(self) -> int:
        """Pixels a side."""
        return self.size

    def drawing(self, source: ImageSource) -> Draw:
        """Drawn as torchvision's RandomResizedCrop draws."""

        def draw(view: View, random: np.random.Generator) -> None:
            view.top, view.left, *window = self._window(random, source.stored)
            view.window = (window[0], window[1])

        return draw

    def _window(self, random: np.random.Generator, stored: int) -> tuple[int, int, int, int]:
        """Top, left, height and width."""
        for _ in range(_ATTEMPTS):
            area = stored * stored * random.uniform(self.smallest, 1)
            aspect = math.exp(random.uniform(-math.log(self.aspect), math.log(self.aspect)))
            height, width = round(math.sqrt(area / aspect)), round(math.sqrt(area * aspect))
            if 0 < height <= stored and 0 < width <= stored:
                top, left = random.integers(stored - height + 1), random.integers(stored - width + 1)
                return int(top), int(left), height, width
        return 0, 0, stored, stored
