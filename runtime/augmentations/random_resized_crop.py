"""`random_resized_crop`: a window of random area and shape, scaled to the size of the view."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..sides import Sides
from .augmentation import Augmentation, ViewSource
from .view import Numbers, Views

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

    def draw(self, source: ViewSource, random: np.random.Generator, views: int) -> Numbers:
        """(views, 4): top, left, height and width, drawn as torchvision's RandomResizedCrop draws."""
        drawn = np.tile(np.array(self._central(source.stored), np.float64), (views, 1))
        missing = np.arange(views)
        widest = math.log(self.aspect)
        for _ in range(_ATTEMPTS):
            area = math.prod(source.stored) * random.uniform(self.smallest, 1, len(missing))
            aspect = np.exp(random.uniform(-widest, widest, len(missing)))
            sizes = np.rint(np.sqrt(np.stack([area / aspect, area * aspect], axis=1))).astype(np.int64)
            fits = ((sizes > 0) & (sizes <= source.stored)).all(axis=1)
            found, sizes = missing[fits], sizes[fits]
            drawn[found] = np.hstack([random.integers(np.subtract(source.stored, sizes) + 1), sizes])
            missing = missing[~fits]
        return drawn

    def _central(self, stored: tuple[int, int]) -> tuple[int, int, int, int]:
        """The largest central window of a shape that is allowed."""
        most_rows, most_columns = stored
        height = min(most_rows, round(most_columns * self.aspect))
        width = min(most_columns, round(most_rows * self.aspect))
        return (most_rows - height) // 2, (most_columns - width) // 2, height, width

    def change(self, views: Views, drawn: Numbers) -> None:
        """Scale the windows."""
        views.places, views.windows = np.hsplit(drawn.astype(np.int64), 2)
