"""`random_resized_crop`: a window of random area and shape, scaled to the size of the view."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import BeforeValidator, Field

from ...layers.arguments import Expects, Fraction, ImageSides, as_float
from ..augmentation import Augmentation


class RandomResizedCrop(Augmentation):
    """Scale a random window to `size`: its area at least `smallest` of the image, its sides up to 1 : `aspect`."""

    keyword: ClassVar[str] = "random_resized_crop"
    positional: ClassVar[tuple[str, ...]] = ("size",)
    order: ClassVar[int] = 0
    scales: ClassVar[bool] = True

    size: ImageSides
    smallest: Fraction = 0.08
    aspect: Annotated[float, BeforeValidator(as_float), Field(ge=1), Expects("a number of at least 1")] = 1.333333

    @property
    def view_size(self) -> int | tuple[int, int]:
        """The size of the view."""
        return self.size
