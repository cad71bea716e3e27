"""How a recipe stores and renders images, and checks that it fits its network and the images."""

from __future__ import annotations

import math
from typing import assert_never

import numpy as np
from numpy.typing import NDArray

from alexc.printable import printable

from .. import recipes
from ..errors import UserError
from ..network_file import NetworkFile
from ..sides import height_and_width, sides_text
from .dataset_statistics import DatasetStatistics
from .store import Geometry, Store
from .views import Renderer


def geometry_of(file: NetworkFile) -> Geometry:
    """How images must be stored for this network.

    Raises:
        UserError: the recipe does not say it, or contradicts the network's input.
    """
    resized = [part for part in file.recipe.prepare if isinstance(part, recipes.Resize)]
    size = [part.size for part in file.recipe.prepare if isinstance(part, recipes.CenterCrop)]
    if len(resized) != 1 or len(size) != 1:
        raise UserError(
            f"{printable(file.path)}: RECIPE.prepare is expected to name one Resize and one CenterCrop, "
            f"but has {len(resized)} and {len(size)}"
        )
    geometry = Geometry(resized[0].shorter, size[0], file.channels, resized[0].bits)
    _check_sizes(file, geometry)
    _check_windows(file, geometry)
    _check_colors(file, geometry)
    _check_numbers(file)
    return geometry


def _mean_to_subtract(rules: recipes.Recipe, statistics: DatasetStatistics) -> NDArray[np.float64]:
    """(H, W, channels), 0..255: the training set's mean image (section 2), or one colour, or zeros."""
    for part in rules.prepare:
        match part:
            case recipes.Subtract(what):
                if what == "mean_image":
                    return statistics.mean_image
                return np.broadcast_to(statistics.mean_image.mean(axis=(0, 1)), statistics.mean_image.shape)
            case recipes.Normalize(mean, _):
                return np.broadcast_to(np.array(mean) * 255, statistics.mean_image.shape)
            case recipes.Resize() | recipes.CenterCrop():
                pass
            case _:
                assert_never(part)
    return np.zeros_like(statistics.mean_image)


def renderer_of(file: NetworkFile, statistics: DatasetStatistics) -> Renderer:
    """The renderer of views that prepares images as the recipe of a network says."""
    mean = _mean_to_subtract(file.recipe, statistics)
    stds = [part.std for part in file.recipe.prepare if isinstance(part, recipes.Normalize)]
    windows = [part.window for part in file.recipe.prepare if isinstance(part, recipes.Subtract)]
    factor = 1 / (255 * np.broadcast_to(np.array(stds[0]), file.channels)) if stds else None
    bits = statistics.geometry.bits
    return Renderer(file.size, mean, factor, central=windows == ["center"], bits=bits)


def _check_sizes(file: NetworkFile, geometry: Geometry) -> None:
    test, read = file.recipe.test, sides_text(file.size) if isinstance(file.size, tuple) else f"{file.size}x{file.size}"
    sizes = [(type(step).__name__, step.view_size) for step in file.recipe.augment if step.view_size is not None]
    for name, size in (*sizes, (type(test).__name__, test.size)):
        if height_and_width(size) != height_and_width(file.size):
            raise UserError(
                f"{printable(file.path)}: {name}({size}) does not fit {file.name}, which reads images of {read}"
            )
    stored = height_and_width(geometry.crop)
    if any(side > most for side, most in zip(height_and_width(file.size), stored, strict=True)):
        least = file.size if isinstance(file.size, int) else read
        raise UserError(
            f"{printable(file.path)}: {file.name} reads images of {read}, "
            f"but CenterCrop({geometry.crop}) stores smaller ones: store {least} or more"
        )


def _check_windows(file: NetworkFile, geometry: Geometry) -> None:
    test = file.recipe.test
    scaling = [type(step).__name__ for step in file.recipe.augment if step.scales]
    scaling += [type(test).__name__] if isinstance(test, recipes.ScaledCrops) else []
    subtracted = [part.what for part in file.recipe.prepare if isinstance(part, recipes.Subtract)]
    if scaling and subtracted == ["mean_image"]:
        raise UserError(
            f"{printable(file.path)}: a mean image does not fit the windows that {scaling[0]} scales: subtract "
            "mean_color, or normalize"
        )
    if isinstance(test, recipes.ScaledCrops) and (len(set(test.sizes)) < len(test.sizes) or not _fit(test, geometry)):
        largest = max(height_and_width(test.size))
        raise UserError(
            f"{printable(file.path)}: ScaledCrops has sizes={test.sizes}: expected different sizes, of at least the "
            f"{largest} pixels of a crop"
        )


def _fit(test: recipes.ScaledCrops, geometry: Geometry) -> bool:
    """Whether the crops lie in the stored image at each size."""
    stored = height_and_width(geometry.crop)
    return bool(test.sizes) and all(
        side * min(stored) <= min(test.sizes) * most
        for side, most in zip(height_and_width(test.size), stored, strict=True)
    )


def _check_colors(file: NetworkFile, geometry: Geometry) -> None:
    where, channels = printable(file.path), geometry.channels
    for part in file.recipe.prepare:
        if isinstance(part, recipes.Normalize) and not {len(part.mean), len(part.std)} <= {1, channels}:
            raise UserError(
                f"{where}: Normalize has {len(part.mean)} values of mean and {len(part.std)} of std: expected one, or "
                f"one for each of the {channels} channels that {file.name} reads"
            )
    for step in file.recipe.augment:
        if channels not in step.channels:
            wanted = " or ".join(map(str, step.channels))
            raise UserError(f"{where}: {type(step).__name__} changes images of {wanted} channels, not of {channels}")
        if geometry.bits > 8 and step.adjusts:
            raise UserError(f"{where}: {type(step).__name__} changes images of 8 bits, not of {geometry.bits}")


def _length(rules: recipes.Recipe) -> list[tuple[str, int, bool]]:
    """The length of a training: its name, its value, and whether that is right."""
    if rules.iterations is not None and rules.epochs is None:
        return [("iterations", rules.iterations, rules.iterations >= 1)]
    return [("epochs", rules.epochs or 0, (rules.epochs or 0) >= 1 and rules.iterations is None)]


def _check_numbers(file: NetworkFile) -> None:
    rules = file.recipe
    rate = rules.optimizer.lr
    wrong = [
        f"{name} is {value}"
        for name, value, right in (
            ("batch", rules.batch, rules.batch >= 1),
            *_length(rules),
            ("lr", rate, math.isfinite(rate) and rate > 0),
        )
        if not right
    ]
    if wrong:
        raise UserError(f"{printable(file.path)}: RECIPE's {' and '.join(wrong)}: expected more than zero")


def check_labels(file: NetworkFile, store: Store) -> None:
    """Check that the loss can compare with the labels of the images.

    Raises:
        UserError: it needs one class per image, and images have several labels.
    """
    if store.several_labels and isinstance(file.recipe.loss, recipes.CrossEntropy):
        raise UserError(
            f"{printable(store.path)} has several labels per image, but the loss of {file.name} is cross_entropy, "
            "which needs one class per image: write `loss binary_cross_entropy` and end the network with `-> sigmoid`"
        )
