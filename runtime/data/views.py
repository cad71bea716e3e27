"""Views of stored images: which window a network sees, and the renderer of its pixels.

Section 4.1 of the paper: random crops, mirroring and colour noise in training; ten crops at test time.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar, assert_never

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from .. import recipes
from ..augmentations.augmentation import Augmentation, ViewSource
from ..augmentations.view import Numbers, View, Views
from ..sides import Sides, height_and_width
from .dataset_statistics import DatasetStatistics
from .random_streams import Purpose, first_of_group, generator
from .shard_pixels import Pixels
from .store import STEPS_OF_16_BITS

Value = TypeVar("Value", bound=np.generic)
_DRAWN_AT_ONCE = 4096
_KINDS = 64  # more than there are kinds of augmentations
_COLORS = 3
_NUMBERS_ON_ONE_THREAD = 32_000  # torch uses several threads for 32,768 numbers or more


def central_view(stored: Sides, size: Sides) -> View:
    """The centre of an image of `stored` pixels, rounded as in torchvision."""
    (rows, columns), (height, width) = height_and_width(stored), height_and_width(size)
    return View(round((rows - height) / 2), round((columns - width) / 2))


def ten_views(stored: Sides, size: Sides) -> tuple[View, ...]:
    """The four corners and the centre, then their mirror images."""
    (rows, columns), (height, width) = height_and_width(stored), height_and_width(size)
    bottom, right, center = rows - height, columns - width, central_view(stored, size)
    places = ((0, 0), (0, right), (bottom, 0), (bottom, right), (center.top, center.left))
    return tuple(View(top, left, mirrored) for mirrored in (False, True) for top, left in places)


def _grid_views(stored: Sides, size: Sides, steps: int) -> tuple[View, ...]:
    """Windows at `steps` by `steps` evenly spaced positions, row by row, then their mirror images."""
    if steps == 1:
        center = central_view(stored, size)
        return (center, replace(center, mirrored=True))
    tops, lefts = (
        [round(step * (most - side) / (steps - 1)) for step in range(steps)]
        for most, side in zip(height_and_width(stored), height_and_width(size), strict=True)
    )
    return tuple(View(top, left, mirrored) for mirrored in (False, True) for top in tops for left in lefts)


def _scaled_views(stored: Sides, size: Sides, sizes: Sequence[int]) -> tuple[View, ...]:
    """The ten views of an image at each size, as if its shorter side were scaled to that size."""
    views: list[View] = []
    height, width = height_and_width(size)
    shorter = min(height_and_width(stored))
    for scaled in sizes:
        window = max(1, round(height * shorter / scaled)), max(1, round(width * shorter / scaled))
        at_this_size = ten_views(stored, window)
        if window != (height, width):
            at_this_size = tuple(replace(view, window=window) for view in at_this_size)
        views += at_this_size
    return tuple(views)


def views_for_test(test: recipes.TestViews, stored: Sides) -> tuple[View, ...]:
    """The views that a recipe averages over at test time."""
    match test:
        case recipes.TenCrop(size):
            return ten_views(stored, size)
        case recipes.GridCrop(size, steps):
            return _grid_views(stored, size, steps)
        case recipes.ScaledCrops(size, sizes):
            return _scaled_views(stored, size, sizes)
        case recipes.CenterView(size):
            return (central_view(stored, size),)
        case _:
            assert_never(test)


class TrainingViews:
    """Draws a new view of an image for every epoch: a function of (seed, epoch, image).

    Args:
        augment: the steps of a recipe; without a crop, every view is the central one.
        statistics: the geometry and the principal colours of the training data.
        size: of the view.
        seed: the seed of the training.
    """

    def __init__(self, augment: Sequence[Augmentation], statistics: DatasetStatistics, size: Sides, seed: int) -> None:
        stored = statistics.geometry.crop
        self._source = ViewSource(
            height_and_width(stored), height_and_width(size), statistics.eigenvalues, statistics.eigenvectors
        )
        self._steps = sorted(augment, key=lambda step: step.draw_order)
        self._center = central_view(stored, size)
        self._seed = seed

    def of_epoch(self, epoch: int, order: NDArray[np.int64]) -> Views:
        """The view of each training image, by its number, in an epoch that shows the images in this order."""
        images = len(order)
        views = Views.of([self._center]).take(np.zeros(images, np.int64))
        for place, step in enumerate(self._steps):
            if step.until is None or epoch < step.until:
                # Two steps of a kind draw different numbers, and those of other kinds change neither.
                earlier = sum(type(each) is type(step) for each in self._steps[:place])
                drawn = self._drawn(step, epoch, images, step.draw_order + _KINDS * earlier)
                step.change(views, drawn if step.group == 1 else drawn[first_of_group(order, step.group)])
        return views

    def _drawn(self, step: Augmentation, epoch: int, images: int, number: int) -> Numbers:
        """(images, numbers): what step number `number` draws. It does not depend on the number of images."""
        parts = [
            step.draw(self._source, generator(self._seed, Purpose.VIEW, epoch, part, number), _DRAWN_AT_ONCE)
            for part in range(-(-images // _DRAWN_AT_ONCE))
        ]
        return np.concatenate(parts)[:images]


class Renderer:
    """Renders views of stored images: the window minus a window of the mean image, plus the view's colour.

    The pixels of images of 16 bits are divided by 257 first, so they are on the scale of 0..255 too. The result is
    multiplied by `factor`; then the view's overlays are applied.

    Args:
        size: of a view.
        mean_image: (H, W, channels), of the size of the stored images; zeros if nothing is subtracted, and a single
            colour if views are scaled windows.
        factor: (channels,), for each channel.
        central: whether the central window of the mean image is subtracted from every view, also from a mirrored one;
            else the window of the view.
        bits: per channel of the stored images.
    """

    def __init__(
        self,
        size: Sides,
        mean_image: NDArray[np.float64],
        factor: NDArray[np.float64] | None = None,
        central: bool = False,
        bits: int = 8,
    ) -> None:
        self.size = self._height, self._width = height_and_width(size)
        self.factor, self.central, self.bits = factor, central, bits
        self.mean_image = mean_image.astype(np.float32)
        _, self._stored_width, self.channels = mean_image.shape
        self._factor = None if factor is None else np.tile(factor.astype(np.float32), self._width)
        self._mean = _rows(self.mean_image)
        self._mirrored_mean = _rows(np.ascontiguousarray(mean_image[:, ::-1], np.float32))
        center = central_view(mean_image.shape[:2], size) if central else None
        self._central_mean = None if center is None else self._window_of(self._mean, center.top, center.left)
        self._scratch = threading.local()

    def render(self, image: Pixels, view: View, out: NDArray[np.float32]) -> None:
        """Write the view of `image` (H, W, channels) into `out` (height, width, channels), contiguous."""
        pixels = image
        if view.window is not None or view.adjustments:
            pixels = _adjusted(image, view, self.size)
            view = replace(view, top=0, left=0) if view.window is not None else view
        rows = slice(view.top, view.top + self._height)
        # Rows of channels * width numbers instead of pixels, so that numpy's inner loop is vectorised.
        target = _rows(out)
        if view.mirrored:
            _write_mirrored(pixels[rows, view.left : view.left + self._width], out)
            left, mean = self._stored_width - self._width - view.left, self._mirrored_mean
        else:
            left, mean = view.left, self._mean
            target[:] = self._window_of(_rows(pixels), view.top, view.left)
        if self.bits > 8:
            np.divide(target, np.float32(STEPS_OF_16_BITS), out=target)
        subtracted = self._central_mean
        if subtracted is None:
            subtracted = self._window_of(mean, view.top, left)
        if any(view.color):
            added = self._scratch_rows()
            np.subtract(np.tile(np.array(view.color, np.float32), self._width), subtracted, out=added)
            np.add(target.ravel(), added.ravel(), out=target.ravel())
        else:
            np.subtract(target, subtracted, out=target)
        if self._factor is not None:
            np.multiply(target, self._factor, out=target)
        for overlay in view.overlays:
            overlay(out)

    def cut(self, image: Pixels, view: View, out: Pixels) -> None:
        """Write the window of `image` (H, W, channels) that the view shows into `out` (height, width, channels).

        It is not mirrored. `out` is of 8 bits, or of floats for images of 16 bits, which are not divided.
        """
        top, left = view.top, view.left
        if view.window is not None or view.adjustments:
            image = _adjusted(image, view, self.size)
            top, left = (top, left) if view.window is None else (0, 0)
        out[:] = image[top : top + self._height, left : left + self._width]

    def _window_of(self, rows: NDArray[Value], top: int, left: int) -> NDArray[Value]:
        """(height, channels * width), of rows of an image."""
        start, end = self.channels * left, self.channels * (left + self._width)
        return rows[top : top + self._height, start:end]

    def _scratch_rows(self) -> NDArray[np.float32]:
        """(height, channels * width) per thread; it stays in the cache from image to image."""
        try:
            rows: NDArray[np.float32] = self._scratch.rows
        except AttributeError:
            rows = self._scratch.rows = np.empty((self._height, self.channels * self._width), np.float32)
        return rows


def _adjusted(image: Pixels, view: View, size: tuple[int, int]) -> Pixels:
    """The stored image with the view's window scaled and adjusted; only the window if it is scaled."""
    height, width = view.window or size
    rows, columns = slice(view.top, view.top + height), slice(view.left, view.left + width)
    window = image[rows, columns]
    if view.window is not None:
        window = _scaled(window, size)
    if view.adjustments:
        channels = window.shape[2]
        shown = Image.fromarray(np.ascontiguousarray(window[..., 0] if channels == 1 else window))
        for adjust in view.adjustments:
            shown = adjust(shown)
        window = np.asarray(shown).reshape(window.shape)
    if view.window is not None:
        return window
    result = image.copy()
    result[rows, columns] = window
    return result


def _scaled(window: Pixels, size: tuple[int, int]) -> Pixels:
    """A window (H, W, channels) scaled to (height, width); in float32 if it has 16 bits."""
    if window.dtype == np.uint8 and window.shape[2] == _COLORS:
        return np.asarray(_resized(window, size))
    exact = window.dtype if window.dtype == np.uint8 else np.float32
    # Each channel alone: Pillow would weight the colours of RGBA with its fourth channel.
    return np.stack([np.asarray(_resized(each.astype(exact), size)) for each in np.moveaxis(window, 2, 0)], axis=2)


def _resized(pixels: Pixels, size: tuple[int, int]) -> Image.Image:
    return Image.fromarray(np.ascontiguousarray(pixels)).resize((size[1], size[0]), Image.Resampling.BILINEAR)


def _write_mirrored(window: Pixels, out: NDArray[np.float32]) -> None:
    """Write the window, flipped left to right, into `out`, both (height, width, channels)."""
    # torch flips pixels far faster than numpy. A few rows at a time keep it on this thread; the copy avoids its warning
    # about read-only arrays.
    rows = max(1, _NUMBERS_ON_ONE_THREAD // window[0].size)
    for start in range(0, len(window), rows):
        out[start : start + rows] = torch.from_numpy(window[start : start + rows].copy()).flip(1).numpy()


def _rows(image: NDArray[Value]) -> NDArray[Value]:
    """(H, W, channels) as (H, channels * W), the same memory."""
    return image.reshape(image.shape[0], -1)
