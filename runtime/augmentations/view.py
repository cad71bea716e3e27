"""Views of images: one, as the CPU renders it, and a table of many, as a batch and a GPU need them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Numbers = NDArray[np.float64]
Adjustment = Callable[[Image.Image], Image.Image]
Overlay = Callable[[NDArray[np.float32]], None]
_NO_COLOR = (0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Division:
    """Divides a view by a number."""

    by: np.float32

    def __call__(self, pixels: NDArray[np.float32]) -> None:
        """Divide `pixels` (height, width, channels) in place."""
        np.divide(pixels, self.by, out=pixels)


@dataclass(frozen=True)
class Hole:
    """A rectangle of the view that is set to zero."""

    top: int
    left: int
    bottom: int
    right: int

    def __call__(self, pixels: NDArray[np.float32]) -> None:
        """Blank it in `pixels` (height, width, channels)."""
        pixels[self.top : self.bottom, self.left : self.right] = 0


@dataclass(slots=True)
class View:
    """A window of a stored image, and what is done to its pixels.

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
    color: tuple[float, ...] = _NO_COLOR
    window: tuple[int, int] | None = None
    adjustments: tuple[Adjustment, ...] = ()
    overlays: tuple[Overlay, ...] = ()


@dataclass(eq=False)
class Views:
    """A table of N views. Augmentations change all of them at once, which takes a fraction of the time.

    Attributes:
        places: (N, 2), the first row of each window, and its first column before mirroring.
        mirrored: (N,), whether each view is flipped left to right.
        colors: (N, channels), added to each channel, in grey levels of 0..255; None to add nothing.
        windows: (N, 2), height and width of each window that is scaled, zeros for one that has the size of the view;
            None if all have that.
        divisor: what finished views are divided by.
        holes: for each step that blanks a rectangle, (N, 4): its top, left, bottom and right.
        adjusted: for each step that adjusts 8-bit images, a function that makes the adjustments of a view from its row
            of numbers, and these rows.
    """

    places: NDArray[np.int64]
    mirrored: NDArray[np.bool_]
    colors: Numbers | None = None
    windows: NDArray[np.int64] | None = None
    divisor: float = 1.0
    holes: tuple[NDArray[np.int64], ...] = ()
    adjusted: tuple[tuple[Callable[[list[float]], tuple[Adjustment, ...]], Numbers], ...] = ()

    @classmethod
    def of(cls, views: Sequence[View]) -> Views:
        """A table of views that are only cut out, mirrored or scaled."""
        windows = np.array([view.window or (0, 0) for view in views], np.int64).reshape(-1, 2)
        return cls(
            np.array([(view.top, view.left) for view in views], np.int64).reshape(-1, 2),
            np.array([view.mirrored for view in views], np.bool_),
            windows=windows if windows.any() else None,
        )

    def __len__(self) -> int:
        return len(self.places)

    def __iter__(self) -> Iterator[View]:
        """Each view on its own."""
        count = len(self)
        tops, lefts = self.places.T.tolist()
        colors = [_NO_COLOR] * count if self.colors is None else map(tuple, self.colors.tolist())
        sizes = [(0, 0)] * count if self.windows is None else map(tuple, self.windows.tolist())
        windows = (size if any(size) else None for size in sizes)
        return map(View, tops, lefts, self.mirrored.tolist(), colors, windows, self._adjustments(), self._overlays())

    def take(self, rows: NDArray[np.int64]) -> Views:
        """A table of these views of the table."""
        return Views(
            self.places[rows],
            self.mirrored[rows],
            None if self.colors is None else self.colors[rows],
            None if self.windows is None else self.windows[rows],
            self.divisor,
            tuple(holes[rows] for holes in self.holes),
            tuple((adjustments_of, numbers[rows]) for adjustments_of, numbers in self.adjusted),
        )

    def _adjustments(self) -> list[tuple[Adjustment, ...]]:
        adjustments: list[tuple[Adjustment, ...]] = [()] * len(self)
        for adjustments_of, numbers in self.adjusted:
            adjustments = [
                (*before, *adjustments_of(row)) for before, row in zip(adjustments, numbers.tolist(), strict=True)
            ]
        return adjustments

    def _overlays(self) -> list[tuple[Overlay, ...]]:
        first: tuple[Overlay, ...] = () if self.divisor == 1 else (Division(np.float32(self.divisor)),)
        overlays = [first] * len(self)
        for holes in self.holes:
            overlays = [(*before, Hole(*edges)) for before, edges in zip(overlays, holes.tolist(), strict=True)]
        return overlays


ViewsOf = Callable[[NDArray[np.int64]], Views]
"""The views of these images, given by their numbers: as many of each image, one image after the other."""


def same_views(views: Sequence[View]) -> ViewsOf:
    """The same views of every image."""
    table = Views.of(views)
    return lambda images: table.take(np.tile(np.arange(len(table)), len(images)))
