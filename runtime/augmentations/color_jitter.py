"""`color_jitter`: random changes of brightness, contrast, saturation and hue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from PIL import Image

from .augmentation import Augmentation, Draw, ImageSource, View


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

    def drawing(self, source: ImageSource) -> Draw:  # noqa: ARG002 - it depends on no property of the images
        """Four amounts, then their order."""
        shares = (
            ("adjust_brightness", self.brightness),
            ("adjust_contrast", self.contrast),
            ("adjust_saturation", self.saturation),
            ("adjust_hue", self.hue),
        )

        def draw(view: View, random: np.random.Generator) -> None:
            amounts = [
                ColorAdjustment(name, random.uniform(-share, share) + (0 if name == "adjust_hue" else 1))
                for name, share in shares
            ]
            order = random.permutation(len(shares)).tolist()
            drawn = tuple(amounts[place] for place in order if shares[place][1])
            view.adjustments = (*view.adjustments, *drawn)

        return draw
