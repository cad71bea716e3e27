"""Views of stored images: which window a network sees, and the renderer of its pixels.

Section 4.1 of the paper: random crops, mirroring and colour noise in training; ten crops at test time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar, assert_never

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from .. import recipes
from ..augmentations.augmentation import Augmentation, ImageSource, View
from ..augmentations.mirror import Mirror
from ..augmentations.pca_color import PCAColor
from .dataset_statistics import DatasetStatistics
from .random_streams import Purpose, Stream, first_of_group

Value = TypeVar("Value", bound=np.generic)
# Drawn without effect if a recipe does not have them, so that later draws do not depend on whether it does.
_ALWAYS_DRAWN: tuple[Augmentation, ...] = (Mirror(0.0), PCAColor(0.0))
NO_GROUPS: Mapping[int, int] = {}
_NUMBERS_ON_ONE_THREAD = 32_000  # torch uses several threads for 32,768 numbers or more


def central_view(stored: int, size: int) -> View:
    """The centre of an image of `stored` pixels a side, rounded as in torchvision."""
    margin = round((stored - size) / 2)
    return View(margin, margin)


def ten_views(stored: int, size: int) -> tuple[View, ...]:
    """The four corners and the centre, then their mirror images."""
    end = stored - size
    center = central_view(stored, size)
    places = ((0, 0), (0, end), (end, 0), (end, end), (center.top, center.left))
    return tuple(View(top, left, mirrored) for mirrored in (False, True) for top, left in places)


def grid_views(stored: int, size: int, steps: int) -> tuple[View, ...]:
    """Windows at `steps` by `steps` evenly spaced positions, row by row, then their mirror images."""
    if steps == 1:
        center = central_view(stored, size)
        return (center, replace(center, mirrored=True))
    places = [round(step * (stored - size) / (steps - 1)) for step in range(steps)]
    return tuple(View(top, left, mirrored) for mirrored in (False, True) for top in places for left in places)


def scaled_views(stored: int, size: int, sizes: Sequence[int]) -> tuple[View, ...]:
    """The ten views of an image at each size, as if its `stored` pixels a side were scaled to that size."""
    views: list[View] = []
    for scaled in sizes:
        window = max(1, round(size * stored / scaled))
        at_this_size = ten_views(stored, window)
        if window != size:
            at_this_size = tuple(replace(view, window=(window, window)) for view in at_this_size)
        views += at_this_size
    return tuple(views)


def views_for_test(test: recipes.TestViews, stored: int) -> tuple[View, ...]:
    """The views that a recipe averages over at test time."""
    match test:
        case recipes.TenCrop(size):
            return ten_views(stored, size)
        case recipes.GridCrop(size, steps):
            return grid_views(stored, size, steps)
        case recipes.ScaledCrops(size, sizes):
            return scaled_views(stored, size, sizes)
        case recipes.CenterView(size):
            return (central_view(stored, size),)
        case _:
            assert_never(test)


class TrainingViews:
    """Draws a new view of an image for every epoch: a function of (seed, epoch, image).

    Args:
        augment: the steps of a recipe; without a crop, every view is the central one.
        statistics: the geometry and the principal colours of the training data.
        size: pixels a side of the view.
        seed: the seed of the training.
    """

    def __init__(self, augment: Sequence[Augmentation], statistics: DatasetStatistics, size: int, seed: int) -> None:
        stored = statistics.geometry.crop
        source = ImageSource(stored, size, statistics.eigenvalues, statistics.eigenvectors)
        kinds = {type(step) for step in augment}
        steps = [*augment, *(step for step in _ALWAYS_DRAWN if type(step) not in kinds)]
        self._steps = sorted(steps, key=lambda step: step.draw_order)
        self._draws = [step.drawing(source) for step in self._steps]
        self._center = central_view(stored, size)
        self._seed = seed
        self._streams = threading.local()

    def of_epoch(self, epoch: int, order: NDArray[np.int64]) -> Callable[[int], View]:
        """The view of each training image, by its number, in an epoch that shows the images in this order."""
        first = {size: first_of_group(order, size) for size in {step.group for step in self._steps} if size > 1}
        return lambda image: self.view(epoch, image, {size: int(of[image]) for size, of in first.items()})

    def view(self, epoch: int, image: int, first: Mapping[int, int] = NO_GROUPS) -> View:
        """The view of training image number `image` in this epoch.

        Args:
            epoch: the epoch, from 0.
            image: the number of the image.
            first: the first image of the group that it belongs to, by the size of the group; by default itself.
        """
        own = self._stream(1).at(epoch, image)
        shared = {size: self._stream(size).at(epoch, leader) for size, leader in first.items()}
        view = View(self._center.top, self._center.left)
        for step, draw in zip(self._steps, self._draws, strict=True):
            if step.until is None or epoch < step.until:
                draw(view, shared.get(step.group, own))
        return view

    def _stream(self, size: int) -> Stream:
        """This thread's stream for groups of this size; 1 for single images."""
        streams: dict[int, Stream] = vars(self._streams).setdefault("by_size", {})
        if size not in streams:
            streams[size] = Stream(self._seed, Purpose.VIEW if size == 1 else Purpose.GROUP_OF_VIEWS)
        return streams[size]


class Renderer:
    """Renders views of stored images: the window minus a window of the mean image, plus the view's colour.

    The result is multiplied by `factor`; then the view's overlays are applied.

    Args:
        size: pixels a side of a view.
        mean_image: (H, W, 3), of the size of the stored images; zeros if nothing is subtracted, and a single colour if
            views are scaled windows.
        factor: (3,), for each channel.
        central: whether the central window of the mean image is subtracted from every view, also from a mirrored one;
            else the window of the view.
    """

    def __init__(
        self,
        size: int,
        mean_image: NDArray[np.float64],
        factor: NDArray[np.float64] | None = None,
        central: bool = False,
    ) -> None:
        self.size, self.factor, self.central = size, factor, central
        self.mean_image = mean_image.astype(np.float32)
        self._size = size
        self._factor = None if factor is None else np.tile(factor.astype(np.float32), size)
        self._stored = mean_image.shape[1]
        self._mean = _rows(self.mean_image)
        self._mirrored_mean = _rows(np.ascontiguousarray(mean_image[:, ::-1], np.float32))
        center = central_view(self._stored, size) if central else None
        self._central_mean = None if center is None else self._window_of(self._mean, center.top, center.left)
        self._scratch = threading.local()

    def render(self, image: NDArray[np.uint8], view: View, out: NDArray[np.float32]) -> None:
        """Write the view of `image` (H, W, 3) into `out` (size, size, 3), contiguous."""
        size = self._size
        if view.window is not None or view.adjustments:
            image = _adjusted(image, view, size)
            view = replace(view, top=0, left=0) if view.window is not None else view
        rows = slice(view.top, view.top + size)
        # Rows of 3 * size numbers instead of pixels of three, so that numpy's inner loop is vectorised.
        target = _rows(out)
        if view.mirrored:
            _write_mirrored(image[rows, view.left : view.left + size], out)
            left, mean = self._stored - size - view.left, self._mirrored_mean
        else:
            left, mean = view.left, self._mean
            target[:] = _rows(image)[rows, 3 * left : 3 * (left + size)]
        color = np.tile(np.array(view.color, np.float32), size)
        added = self._scratch_rows()
        subtracted = self._central_mean
        if subtracted is None:
            subtracted = self._window_of(mean, view.top, left)
        np.subtract(color, subtracted, out=added)
        np.add(target.ravel(), added.ravel(), out=target.ravel())
        if self._factor is not None:
            np.multiply(target, self._factor, out=target)
        for overlay in view.overlays:
            overlay(out)

    def cut(self, image: NDArray[np.uint8], view: View, out: NDArray[np.uint8]) -> None:
        """Write the window of `image` (H, W, 3) that the view shows into `out` (size, size, 3), not mirrored."""
        top, left = view.top, view.left
        if view.window is not None or view.adjustments:
            image = _adjusted(image, view, self._size)
            top, left = (top, left) if view.window is None else (0, 0)
        out[:] = image[top : top + self._size, left : left + self._size]

    def _window_of(self, mean: NDArray[np.float32], top: int, left: int) -> NDArray[np.float32]:
        """(size, 3 * size), of rows of a mean image."""
        return mean[top : top + self._size, 3 * left : 3 * (left + self._size)]

    def _scratch_rows(self) -> NDArray[np.float32]:
        """(size, 3 * size) per thread; it stays in the cache from image to image."""
        try:
            rows: NDArray[np.float32] = self._scratch.rows
        except AttributeError:
            rows = self._scratch.rows = np.empty((self._size, 3 * self._size), np.float32)
        return rows


def _adjusted(image: NDArray[np.uint8], view: View, size: int) -> NDArray[np.uint8]:
    """The stored image with the view's window scaled and adjusted; only the window if it is scaled."""
    height, width = view.window or (size, size)
    rows, columns = slice(view.top, view.top + height), slice(view.left, view.left + width)
    window = Image.fromarray(np.ascontiguousarray(image[rows, columns]))
    if view.window is not None:
        window = window.resize((size, size), Image.Resampling.BILINEAR)
    for adjust in view.adjustments:
        window = adjust(window)
    if view.window is not None:
        return np.asarray(window)
    result = image.copy()
    result[rows, columns] = np.asarray(window)
    return result


def _write_mirrored(window: NDArray[np.uint8], out: NDArray[np.float32]) -> None:
    """Write the window, flipped left to right, into `out`, both (size, size, 3)."""
    # torch flips pixels of three bytes far faster than numpy. A few rows at a time keep it on this thread; the copy
    # avoids its warning about read-only arrays.
    rows = max(1, _NUMBERS_ON_ONE_THREAD // window[0].size)
    for start in range(0, len(window), rows):
        out[start : start + rows] = torch.from_numpy(window[start : start + rows].copy()).flip(1).numpy()


def _rows(image: NDArray[Value]) -> NDArray[Value]:
    """(H, W, 3) as (H, 3 W), the same memory."""
    return image.reshape(image.shape[0], -1)
