"""What every augmentation tells the compiler, and the table of all of them."""

from __future__ import annotations

from functools import cache
from typing import ClassVar

from ..layers.arguments import Arguments
from ..registry import Registry
from . import augmentations as folder


class Augmentation(Arguments):
    """A step of `augment`.

    Attributes:
        order: its place in `augment`. Of steps with the same place a recipe has one; a recipe names its steps in order.
        scales: whether it scales windows, which a mean image does not fit.
    """

    order: ClassVar[int]
    scales: ClassVar[bool] = False

    @property
    def view_size(self) -> int | None:
        """Pixels a side of the view that this step cuts; None for a step that cuts no view."""
        return None


@cache
def augmentations() -> tuple[type[Augmentation], ...]:
    """All augmentations, in the order in which `augment` names them."""
    return tuple(sorted(Registry(folder, Augmentation).values(), key=lambda step: step.order))
