"""What every augmentation does: draw a change of a view."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..sides import Sides

Adjustment = Callable[[Image.Image], Image.Image]
Overlay = Callable[[NDArray[np.float32]], None]


@dataclass(slots=True)
class View:
    """A window of a stored image, and what is done to its pixels; augmentations change it while it is drawn.

    Attributes:
        top: the first row of the window.
        left: its first column, before mirroring.
        mirrored: whether the view is flipped left to right.
        color: added to each channel, in grey levels of 0..255; all zeros, for any number of channels, add nothing.
        window: height and width of a window that is scaled to the size of the view; None for one of that size.
        adjustments: applied in order to the window as an 8-bit image of the size of the view.
        overlays: applied in order to the finished view, (height, width, channels), in place.
    """

    top: int
    left: int
    mirrored: bool = False
    color: tuple[float, ...] = (0.0, 0.0, 0.0)
    window: tuple[int, int] | None = None
    adjustments: tuple[Adjustment, ...] = ()
    overlays: tuple[Overlay, ...] = ()


@dataclass(frozen=True)
class ImageSource:
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


Draw = Callable[[View, np.random.Generator], None]


class Augmentation(ABC):
    """A step of `augment`, as a recipe holds it.

    Attributes:
        draw_order: the place of its draws among those of all augmentations. The random numbers of every step depend on
            the steps that draw before it, so this never changes.
        scales: whether it scales windows, which a mean image does not fit.
        adjusts: whether it changes 8-bit images, before anything is subtracted; it cannot change images of 16 bits.
        group: the images in a row of the epoch's order that share its draws.
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
    def drawing(self, source: ImageSource) -> Draw:
        """A function that draws this step for a view, and changes the view."""
