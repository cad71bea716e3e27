"""`color_jitter`: random changes of brightness, contrast, saturation and hue."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import BeforeValidator, Field

from ...layers.arguments import Expects, Fraction, as_float
from ..augmentation import Augmentation


class ColorJitter(Augmentation):
    """Change brightness, contrast and saturation by up to this share, and the hue by up to this part of its circle."""

    keyword: ClassVar[str] = "color_jitter"
    order: ClassVar[int] = 2

    brightness: Fraction = 0.0
    contrast: Fraction = 0.0
    saturation: Fraction = 0.0
    hue: Annotated[float, BeforeValidator(as_float), Field(ge=0, le=0.5), Expects("a number from 0 to 0.5")] = 0.0
