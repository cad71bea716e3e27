"""`color_jitter`: random changes of brightness, contrast, saturation and hue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from PIL import Image

from .augmentation import Augmentation, ViewSource
from .view import Adjustment, Numbers, Views

_FUNCTIONS = ("adjust_brightness", "adjust_contrast", "adjust_saturation", "adjust_hue")


@dataclass(frozen=True)
class ColorAdjustment:
    """A function of torchvision, such as `adjust_brightness`, with the amount that it takes."""

    function: str
    amount: float

    def __call__(self, image: Image.Image) -> Image.Image:
        """The adjusted image."""
        # A second to import, and few recipes need it.
        from torchvision.transforms.v2 import functional as transforms  # type: ignore[import-untyped]

        adjusted: Image.Image = getattr(transforms, self.function)(image, self.amount)
        return adjusted


@dataclass(frozen=True)
class ColorJitter(Augmentation):
    """Change brightness, contrast, saturation and hue in random order, as torchvision's transform of this name.

    Saturation and hue need the three channels of RGB; brightness and contrast of grey images can be changed too. The
    first three are multiplied by draws from 1 - share to 1 + share. The hue is turned by -hue to hue of its circle.
    """

    draw_order: ClassVar[int] = 4
    adjusts: ClassVar[bool] = True

    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    hue: float = 0.0

    @property
    def channels(self) -> Sequence[int]:
        """One or three, as in torchvision."""
        return (3,) if self.saturation or self.hue else (1, 3)

    @property
    def _shares(self) -> tuple[float, ...]:
        return self.brightness, self.contrast, self.saturation, self.hue

    def draw(self, source: ViewSource, random: np.random.Generator, views: int) -> Numbers:  # noqa: ARG002
        """(views, 8): the amounts of the four, then their order."""
        amounts = random.uniform(-1, 1, (views, 4)) * self._shares + (1, 1, 1, 0)
        orders = random.permuted(np.tile(np.arange(4.0), (views, 1)), axis=1)
        return np.hstack([amounts, orders])

    def change(self, views: Views, drawn: Numbers) -> None:
        """Adjust the colours of each view."""
        views.adjusted = (*views.adjusted, (self._adjustments, drawn))

    def _adjustments(self, drawn: list[float]) -> tuple[Adjustment, ...]:
        order = [int(place) for place in drawn[4:]]
        return tuple(ColorAdjustment(_FUNCTIONS[place], drawn[place]) for place in order if self._shares[place])
