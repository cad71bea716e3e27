"""What every augmentation does: draw random numbers, and change views by them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ..sides import Sides
from .view import Numbers, Views


@dataclass(frozen=True)
class ViewSource:
    """The stored images that views are cut from.

    Attributes:
        stored: (height, width) of a stored image.
        size: (height, width) of a view.
        eigenvalues: (channels,), of the covariance of the training set's colours, on a scale of 0..1.
        eigenvectors: (channels, channels), a column for each eigenvalue.
    """

    stored: tuple[int, int]
    size: tuple[int, int]
    eigenvalues: NDArray[np.float64]
    eigenvectors: NDArray[np.float64]


class Augmentation(ABC):
    """A step of `augment`, as a recipe holds it.

    Attributes:
        draw_order: its place among the changes of all augmentations. Its random numbers depend on it, so it never
            changes.
        scales: whether it scales windows, which a mean image does not fit.
        adjusts: whether it changes 8-bit images, before anything is subtracted; it cannot change images of 16 bits.
        group: the images in a row of the epoch's order that share its random numbers.
        until: the number of epochs in which it has an effect; None for all.
    """

    draw_order: ClassVar[int]
    scales: ClassVar[bool] = False
    adjusts: ClassVar[bool] = False
    group: int = 1
    until: int | None = None

    @property
    def channels(self) -> Sequence[int]:
        """The numbers of channels of the images that it can change."""
        return range(1, 5)

    @property
    def view_size(self) -> Sides | None:
        """The size of the view that this step cuts; None for a step that cuts no view."""
        return None

    @abstractmethod
    def draw(self, source: ViewSource, random: np.random.Generator, views: int) -> Numbers:
        """(views, numbers): what is random about each of so many views."""

    @abstractmethod
    def change(self, views: Views, drawn: Numbers) -> None:
        """Change each view by its row of `drawn`, which `draw` made."""
