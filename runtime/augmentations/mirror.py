"""`mirror`: a random horizontal flip."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from .augmentation import Augmentation, Draw, ImageSource, View


@dataclass(frozen=True)
class Mirror(Augmentation):
    """Flip left to right with this probability (section 4.1); `group` images in a row are flipped together."""

    draw_order: ClassVar[int] = 1

    probability: float = 0.5
    group: int = 1

    def drawing(self, source: ImageSource) -> Draw:  # noqa: ARG002 - it depends on no property of the images
        """One draw from 0..1."""

        def draw(view: View, random: np.random.Generator) -> None:
            view.mirrored = random.random() < self.probability

        return draw
