"""`mirror`: a random horizontal flip."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from .augmentation import Augmentation, ViewSource
from .view import Numbers, Views


@dataclass(frozen=True)
class Mirror(Augmentation):
    """Flip left to right with this probability (section 4.1); `group` images in a row are flipped together."""

    draw_order: ClassVar[int] = 1

    probability: float = 0.5
    group: int = 1

    def draw(self, source: ViewSource, random: np.random.Generator, views: int) -> Numbers:  # noqa: ARG002
        """(views, 1), from 0..1."""
        return random.random((views, 1))

    def change(self, views: Views, drawn: Numbers) -> None:
        """Flip those whose number is below the probability."""
        views.mirrored = drawn[:, 0] < self.probability
