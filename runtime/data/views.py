"""What the network sees of a stored image: a plan per image (where to cut, mirror, colour) and one renderer.

The paper's section 4.1: random crops, mirroring and colour noise in training; ten crops at test time.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from .. import recipes
from .dataset_statistics import DatasetStatistics
from .random_streams import Purpose, generator

Value = TypeVar("Value", bound=np.generic)
_ATTEMPTS = 10
_NUMBERS_ON_ONE_THREAD = 32_000  # torch shares out an operation on 32,768 numbers or more


@dataclass(frozen=True)
class View:
    """A square window of a stored image.

    Attributes:
        top: its first row.
        left: its first column, before mirroring.
        mirrored: whether it is turned left to right.
        color: added to red, green and blue, in grey levels of 0..255.
        window: height and width of what is scaled to the size of the view; None where it has that size.
        jitter: what torchvision's functions of these names do to the window, in order, and by how much.
        hole: top, left, bottom and right of a square of the view that is blank.
    """

    top: int
    left: int
    mirrored: bool = False
    color: tuple[float, float, float] = (0.0, 0.0, 0.0)
    window: tuple[int, int] | None = None
    jitter: tuple[tuple[str, float], ...] = ()
    hole: tuple[int, int, int, int] | None = None


def central_view(stored: int, size: int) -> View:
    """The middle of an image of `stored` pixels a side; the half pixel of an odd rest as torchvision rounds it."""
    margin = round((stored - size) / 2)
    return View(margin, margin)


def ten_views(stored: int, size: int) -> tuple[View, ...]:
    """The four corners and the centre, then their mirror images, each of the same window."""
    end = stored - size
    center = central_view(stored, size)
    places = ((0, 0), (0, end), (end, 0), (end, end), (center.top, center.left))
    return tuple(View(top, left, mirrored) for mirrored in (False, True) for top, left in places)


def grid_views(stored: int, size: int, steps: int) -> tuple[View, ...]:
    """Windows at `steps` by `steps` places from edge to edge, row by row, then their mirror images."""
    if steps == 1:
        center = central_view(stored, size)
        return (center, replace(center, mirrored=True))
    places = [round(step * (stored - size) / (steps - 1)) for step in range(steps)]
    return tuple(View(top, left, mirrored) for mirrored in (False, True) for top in places for left in places)


def scaled_views(stored: int, size: int, sizes: Sequence[int]) -> tuple[View, ...]:
    """The ten views of an image at each size, as if its `stored` pixels a side were so many."""
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


class TrainingViews:
    """Draws a view of an image anew for every epoch: a function of (seed, epoch, image) alone.

    Args:
        augment: what a recipe asks for; without a random crop the view is the central one.
        facts: the geometry and the principal colours of the training data.
        size: pixels a side of the view.
        seed: of the training.
    """

    def __init__(
        self,
        augment: Sequence[recipes.AugmentStep],
        facts: DatasetStatistics,
        size: int,
        seed: int,
    ) -> None:
        self._center = central_view(facts.geometry.crop, size)
        self._seed = seed
        self._places = 0
        self._mirror_probability = 0.0
        self._colors = np.zeros((3, 3))
        self._stored, self._size = facts.geometry.crop, size
        self._resized: recipes.RandomResizedCrop | None = None
        self._jitter: recipes.ColorJitter | None = None
        self._cutout = 0
        for part in augment:
            match part:
                case recipes.RandomCrop():
                    self._places = facts.geometry.crop - size + 1
                case recipes.Mirror(probability):
                    self._mirror_probability = probability
                case recipes.PCAColor():
                    self._colors = principal_color_steps(part, facts)
                case recipes.RandomResizedCrop():
                    self._resized = part
                case recipes.ColorJitter():
                    self._jitter = part
                case recipes.Cutout(side):
                    self._cutout = side

    def view(self, epoch: int, image: int) -> View:
        """The view of training image number `image` in this epoch."""
        # Always the same draws in the same order: a recipe without colour noise crops where one with it does.
        draw = generator(self._seed, Purpose.VIEW, epoch, image)
        top, left = draw.integers(0, max(self._places, 1), size=2).tolist()
        mirrored = draw.random() < self._mirror_probability
        red, green, blue = (self._colors @ draw.standard_normal(3)).tolist()
        if not self._places:
            top, left = self._center.top, self._center.left
        view = View(top, left, mirrored, (red, green, blue))
        if self._resized is not None:
            top, left, *window = _window(draw, self._resized, self._stored)
            view = replace(view, top=top, left=left, window=(window[0], window[1]))
        if self._jitter is not None:
            view = replace(view, jitter=_jitter(draw, self._jitter))
        return replace(view, hole=_hole(draw, self._cutout, self._size)) if self._cutout else view


def _window(draw: np.random.Generator, rule: recipes.RandomResizedCrop, stored: int) -> tuple[int, int, int, int]:
    """Top, left, height and width, drawn as torchvision's RandomResizedCrop draws them."""
    for _ in range(_ATTEMPTS):
        area = stored * stored * draw.uniform(rule.smallest, 1)
        aspect = math.exp(draw.uniform(-math.log(rule.aspect), math.log(rule.aspect)))
        height, width = round(math.sqrt(area / aspect)), round(math.sqrt(area * aspect))
        if 0 < height <= stored and 0 < width <= stored:
            return int(draw.integers(stored - height + 1)), int(draw.integers(stored - width + 1)), height, width
    return 0, 0, stored, stored


def _jitter(draw: np.random.Generator, rule: recipes.ColorJitter) -> tuple[tuple[str, float], ...]:
    shares = (
        ("adjust_brightness", rule.brightness),
        ("adjust_contrast", rule.contrast),
        ("adjust_saturation", rule.saturation),
        ("adjust_hue", rule.hue),
    )
    amounts = [(name, draw.uniform(-share, share) + (0 if name == "adjust_hue" else 1)) for name, share in shares]
    order = draw.permutation(len(shares)).tolist()
    return tuple(amounts[place] for place in order if shares[place][1])


def _hole(draw: np.random.Generator, side: int, size: int) -> tuple[int, int, int, int]:
    """A square about a pixel of the view, cut off at its edges."""
    top, left = (draw.integers(0, size, size=2) - side // 2).tolist()
    return max(0, top), max(0, left), min(size, top + side), min(size, left + side)


def principal_color_steps(noise: recipes.PCAColor, facts: DatasetStatistics) -> NDArray[np.float64]:
    """(3, 3): column i is what a draw of 1 from N(0, 1) adds along component i, in grey levels of 0..255."""
    scale = facts.eigenvalues if noise.by == "eigenvalue" else np.sqrt(facts.eigenvalues)
    return np.asarray(facts.eigenvectors * (noise.std * scale * 255))


class Renderer:
    """Cuts views out of stored images: pixels minus the mean image in the same window, plus the view's colour.

    All this is multiplied by `factor`, and blank where the view has a hole.

    Args:
        size: pixels a side of a view.
        mean_image: (H, W, 3), of the size of the stored images; zeros where a recipe subtracts nothing, and of one
            colour where views are scaled windows.
        factor: (3,), for each channel.
    """

    def __init__(self, size: int, mean_image: NDArray[np.float64], factor: NDArray[np.float64] | None = None) -> None:
        self._size = size
        self._factor = None if factor is None else np.tile(factor.astype(np.float32), size)
        self._stored = mean_image.shape[1]
        self._mean = _rows(mean_image.astype(np.float32))
        self._mirrored_mean = _rows(np.ascontiguousarray(mean_image[:, ::-1], np.float32))
        self._scratch = threading.local()

    def render(self, image: NDArray[np.uint8], view: View, out: NDArray[np.float32]) -> None:
        """Write the view of `image` (H, W, 3) into `out` (size, size, 3), contiguous."""
        size = self._size
        if view.window is not None or view.jitter:
            image = _adjusted(image, view, size)
            view = replace(view, top=0, left=0) if view.window is not None else view
        rows = slice(view.top, view.top + size)
        # Rows of 3 * size numbers, not pixels of three: numpy's inner loop is then long enough to be vectorised.
        target = _rows(out)
        if view.mirrored:
            _write_mirrored(image[rows, view.left : view.left + size], out)
            left, mean = self._stored - size - view.left, self._mirrored_mean
        else:
            left, mean = view.left, self._mean
            target[:] = _rows(image)[rows, 3 * left : 3 * (left + size)]
        color = np.tile(np.array(view.color, np.float32), size)
        added = self._scratch_rows()
        np.subtract(color, mean[rows, 3 * left : 3 * (left + size)], out=added)
        np.add(target.ravel(), added.ravel(), out=target.ravel())
        if self._factor is not None:
            np.multiply(target, self._factor, out=target)
        if view.hole is not None:
            top, left, bottom, right = view.hole
            out[top:bottom, left:right] = 0

    def _scratch_rows(self) -> NDArray[np.float32]:
        """(size, 3 * size) of this thread, which stay in its cache from image to image."""
        try:
            rows: NDArray[np.float32] = self._scratch.rows
        except AttributeError:
            rows = self._scratch.rows = np.empty((self._size, 3 * self._size), np.float32)
        return rows


def _adjusted(image: NDArray[np.uint8], view: View, size: int) -> NDArray[np.uint8]:
    """The stored image with the view's window scaled and its colours changed; the window alone where it is scaled."""
    height, width = view.window or (size, size)
    rows, columns = slice(view.top, view.top + height), slice(view.left, view.left + width)
    window = Image.fromarray(np.ascontiguousarray(image[rows, columns]))
    if view.window is not None:
        window = window.resize((size, size), Image.Resampling.BILINEAR)
    if view.jitter:
        # A second to import, and few recipes need it.
        from torchvision.transforms.v2 import functional as transforms  # type: ignore[import-untyped]

        for name, amount in view.jitter:
            window = getattr(transforms, name)(window, amount)
    if view.window is not None:
        return np.asarray(window)
    result = image.copy()
    result[rows, columns] = np.asarray(window)
    return result


def _write_mirrored(window: NDArray[np.uint8], out: NDArray[np.float32]) -> None:
    """Write the window, turned left to right, into `out`, both (size, size, 3)."""
    # torch turns pixels of three bytes far faster than numpy; some rows at a time, few enough numbers for it to work on
    # this thread alone; of a copy, since it warns of what cannot be written.
    rows = max(1, _NUMBERS_ON_ONE_THREAD // window[0].size)
    for start in range(0, len(window), rows):
        out[start : start + rows] = torch.from_numpy(window[start : start + rows].copy()).flip(1).numpy()


def _rows(image: NDArray[Value]) -> NDArray[Value]:
    """(H, W, 3) as (H, 3 W), the same memory."""
    return image.reshape(image.shape[0], -1)
