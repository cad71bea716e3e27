"""Balances classes with different numbers of images: by weights in the loss, or by how often their images are drawn."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from alexc.printable import printable

from ..data.folder_layout import names
from ..data.label_file import csv_lines
from ..data.random_streams import Purpose, generator
from ..data.split import Split
from ..data.store import Store
from ..errors import UserError
from ..recipes import CrossEntropy, Loss

BALANCED: Literal["balanced"] = "balanced"
Sampler = Literal["random", "weighted"]  # torch's RandomSampler and WeightedRandomSampler
_COLUMNS = ["class", "weight"]


def class_weights_of(
    asked: Path | Literal["balanced"] | None, before: Mapping[str, Any] | None, store: Store, loss: Loss
) -> tuple[float, ...] | None:
    """The weight of each class in the loss; None where the loss has none.

    Args:
        asked: `balanced` for weights that make all classes count the same, images / (classes * images of the class), as
            in scikit-learn; or a file of weights; by default those of the run to resume.
        before: the content of run.json of a run to resume.
        store: the images.
        loss: the loss of the recipe.

    Raises:
        UserError: the file is wrong, or the loss has no weights of classes.
    """
    if asked is None:
        recorded = (before or {}).get("class_weights")
        return None if recorded is None else tuple(recorded)
    if not isinstance(loss, CrossEntropy):
        raise UserError("--class-weights: only the loss cross_entropy has weights, and the recipe has another one")
    if asked != BALANCED:
        return _read(Path(asked), store.classes)
    images = store.train.images_per_class(len(store.classes))
    return tuple((images.sum() / (len(images) * images)).tolist())


def check_sampler(sampler: Sampler, store: Store) -> None:
    """Check that the sampler can draw from these images.

    Raises:
        UserError: images have several labels, so they have no class to balance.
    """
    if sampler == "weighted" and store.several_labels:
        raise UserError("--sampler weighted balances classes, but these images can have several labels: leave it out")


def drawn_images(split: Split, classes: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """(images,): the images of an epoch with the sampler `weighted`: every class is drawn equally often on average.

    As torch's `WeightedRandomSampler` draws with the weights 1 / (images of the class), with replacement, as many
    images as the split has. It is a function of (seed, epoch), computed with whole numbers.
    """
    counts = split.images_per_class(classes)
    present = np.flatnonzero(counts)
    sorted_images = np.argsort(split.labels, kind="stable")
    starts = np.cumsum(counts) - counts
    random = generator(seed, Purpose.ORDER, epoch)
    drawn = present[random.integers(0, len(present), len(split))]
    images: NDArray[np.int64] = sorted_images[starts[drawn] + random.integers(0, counts[drawn])]
    return images


def _read(path: Path, classes: tuple[str, ...]) -> tuple[float, ...]:
    lines = csv_lines(path)
    _, header = next(lines, (1, []))
    if [name.strip() for name in header] != _COLUMNS:
        raise UserError(f"{printable(path)}:1: expected the first line `class,weight`")
    weights: dict[str, float] = {}
    for line, values in lines:
        name, weight = (values[0].strip(), _number(values[1])) if len(values) == len(_COLUMNS) else ("", None)
        if weight is None or name not in classes or name in weights:
            raise UserError(
                f"{printable(path)}:{line}: expected a class of the images, named once, and a weight above 0, as in "
                f"`{printable(classes[0])},1.5`"
            )
        weights[name] = weight
    missing = set(classes) - weights.keys()
    if missing:
        raise UserError(f"{printable(path)} has no weight for {names(missing)}")
    return tuple(weights[name] for name in classes)


def _number(text: str) -> float | None:
    """A finite number above 0; None for anything else."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if 0 < number < math.inf else None
