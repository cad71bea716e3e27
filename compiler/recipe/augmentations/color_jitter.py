"""`color_jitter`: random changes of brightness, contrast, saturation and hue."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar

from pydantic import BeforeValidator, Field

from ...layers.arguments import Expects, Fraction, as_float
from ..augmentation import Augmentation


class ColorJitter(Augmentation):
    """Change brightness, contrast and saturation by up to this share, and the hue by up to this part of its circle.

    Saturation and hue need the three channels of RGB; brightness and contrast of grey images can be changed, too.
    """

    keyword: ClassVar[str] = "color_jitter"
    order: ClassVar[int] = 2
    adjusts: ClassVar[bool] = True

    brightness: Fraction = 0.0
    contrast: Fraction = 0.0
    saturation: Fraction = 0.0
    hue: Annotated[float, BeforeValidator(as_float), Field(ge=0, le=0.5), Expects("a number from 0 to 0.5")] = 0.0

    @property
    def channels(self) -> Sequence[int]:
        """One or three, as in torchvision."""
        return (3,) if self.saturation or self.hue else (1, 3)
