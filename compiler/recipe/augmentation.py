"""What every augmentation tells the compiler, and the table of all of them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import ClassVar

from ..layers.arguments import MOST_CHANNELS, Arguments
from ..registry import Registry
from . import augmentations as folder


class Augmentation(Arguments):
    """A step of `augment`.

    Attributes:
        order: its place in `augment`. Of steps with the same place a recipe has one; a recipe names its steps in order.
        scales: whether it scales windows, which a mean image does not fit.
        adjusts: whether it changes 8-bit images, before anything is subtracted; it cannot change images of 16 bits.
    """

    order: ClassVar[int]
    scales: ClassVar[bool] = False
    adjusts: ClassVar[bool] = False

    @property
    def channels(self) -> Sequence[int]:
        """The numbers of channels of the images that it can change."""
        return range(1, MOST_CHANNELS + 1)

    @property
    def view_size(self) -> int | tuple[int, int] | None:
        """The size of the view that this step cuts, a side or height and width; None for a step that cuts no view."""
        return None


@cache
def augmentations() -> tuple[type[Augmentation], ...]:
    """All augmentations, in the order in which `augment` names them."""
    return tuple(sorted(Registry(folder, Augmentation).values(), key=lambda step: step.order))
