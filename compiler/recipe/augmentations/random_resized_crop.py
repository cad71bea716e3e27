"""`random_resized_crop`: a window of random area and shape, scaled to the size of the view."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import BeforeValidator, Field

from ...layers.arguments import Count, Expects, Fraction, as_float
from ..augmentation import Augmentation


class RandomResizedCrop(Augmentation):
    """Scale a random window to a square: its area at least `smallest` of the image, its sides up to 1 : `aspect`."""

    keyword: ClassVar[str] = "random_resized_crop"
    positional: ClassVar[tuple[str, ...]] = ("size",)
    order: ClassVar[int] = 0
    scales: ClassVar[bool] = True

    size: Count
    smallest: Fraction = 0.08
    aspect: Annotated[float, BeforeValidator(as_float), Field(ge=1), Expects("a number of at least 1")] = 1.333333

    @property
    def view_size(self) -> int:
        """Pixels a side."""
        return self.size
