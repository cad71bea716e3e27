"""What the network sees of a stored image: a plan per image (where to cut, mirror, colour) and one renderer.

The paper's section 4.1: random crops, mirroring and colour noise in training; ten crops at test time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from alexc.runtime import recipe
from alexc.runtime.data.dataset_facts import DatasetFacts
from alexc.runtime.data.draws import Purpose, generator

Value = TypeVar("Value", bound=np.generic)


@dataclass(frozen=True)
class View:
    """A square window of a stored image.

    Attributes:
        top: its first row.
        left: its first column, before mirroring.
        mirrored: whether it is turned left to right.
        color: added to red, green and blue, in grey levels of 0..255.
    """

    top: int
    left: int
    mirrored: bool = False
    color: tuple[float, float, float] = (0.0, 0.0, 0.0)


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


def views_for_test(test: recipe.TenCrop | recipe.CenterView, stored: int) -> tuple[View, ...]:
    """The views that a recipe averages over at test time."""
    if isinstance(test, recipe.TenCrop):
        return ten_views(stored, test.size)
    return (central_view(stored, test.size),)


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
        augment: Sequence[recipe.RandomCrop | recipe.Mirror | recipe.PCAColor],
        facts: DatasetFacts,
        size: int,
        seed: int,
    ) -> None:
        self._center = central_view(facts.geometry.crop, size)
        self._seed = seed
        self._places = 0
        self._mirror_probability = 0.0
        self._colors = np.zeros((3, 3))
        for part in augment:
            match part:
                case recipe.RandomCrop():
                    self._places = facts.geometry.crop - size + 1
                case recipe.Mirror(probability):
                    self._mirror_probability = probability
                case recipe.PCAColor():
                    self._colors = principal_color_steps(part, facts)

    def view(self, epoch: int, image: int) -> View:
        """The view of training image number `image` in this epoch."""
        # Always the same draws in the same order: a recipe without colour noise crops where one with it does.
        draw = generator(self._seed, Purpose.VIEW, epoch, image)
        top, left = draw.integers(0, max(self._places, 1), size=2).tolist()
        mirrored = draw.random() < self._mirror_probability
        red, green, blue = (self._colors @ draw.standard_normal(3)).tolist()
        if not self._places:
            top, left = self._center.top, self._center.left
        return View(top, left, mirrored, (red, green, blue))


def principal_color_steps(noise: recipe.PCAColor, facts: DatasetFacts) -> NDArray[np.float64]:
    """(3, 3): column i is what a draw of 1 from N(0, 1) adds along component i, in grey levels of 0..255."""
    scale = facts.eigenvalues if noise.by == "eigenvalue" else np.sqrt(facts.eigenvalues)
    return np.asarray(facts.eigenvectors * (noise.std * scale * 255))


class Renderer:
    """Cuts views out of stored images: pixels minus the mean image in the same window, plus the view's colour.

    Args:
        size: pixels a side of a view.
        mean_image: (H, W, 3), of the size of the stored images; zeros where a recipe subtracts nothing.
    """

    def __init__(self, size: int, mean_image: NDArray[np.float64]) -> None:
        self._size = size
        self._stored = mean_image.shape[1]
        self._mean = _rows(mean_image.astype(np.float32))
        self._mirrored_mean = _rows(np.ascontiguousarray(mean_image[:, ::-1], np.float32))

    def render(self, image: NDArray[np.uint8], view: View, out: NDArray[np.float32]) -> None:
        """Write the view of `image` (H, W, 3) into `out` (size, size, 3), contiguous."""
        size = self._size
        rows = slice(view.top, view.top + size)
        if view.mirrored:
            pixels = _mirrored(image[rows, view.left : view.left + size])
            left, mean = self._stored - size - view.left, self._mirrored_mean
        else:
            left, mean = view.left, self._mean
            pixels = _rows(image)[rows, 3 * left : 3 * (left + size)]
        # Rows of 3 * size numbers, not pixels of three: numpy's inner loop is then long enough to be vectorised.
        target = _rows(out)
        color = np.tile(np.array(view.color, np.float32), size)
        np.subtract(color, mean[rows, 3 * left : 3 * (left + size)], out=target)
        np.add(target, pixels, out=target)


def _mirrored(window: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The window turned left to right, as rows; a channel at a time, for the same reason as above."""
    result = np.empty(window.shape, np.uint8)
    for channel in range(3):
        result[..., channel] = window[:, ::-1, channel]
    return _rows(result)


def _rows(image: NDArray[Value]) -> NDArray[Value]:
    """(H, W, 3) as (H, 3 W), the same memory."""
    return image.reshape(image.shape[0], -1)
