"""The settings of a training: its options with nothing left open, and the recipe that they change."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch

from ..cores import available_cores
from ..data.random_streams import LARGEST_SEED
from ..errors import UserError
from ..network_file import NetworkFile
from ..recipes import BFloat16, Float16, Recipe
from .class_balance import Sampler
from .options import TrainOptions

DEFAULT_SEED = 0


@dataclass(frozen=True)
class Settings:
    """What a training does, as far as the options decide it.

    Attributes:
        recipe: the recipe of the network file with the batch size, length, precision, rate and decay of this training.
        amp: what run.json and the checkpoints record of --amp; the recipe holds the precision itself.
        data: a store or a folder of images; None for the built-in images.
        seed: the seed of all random draws.
        freeze: the names of the layers that are not trained.
        accumulate: micro-batches per batch.
        workers: threads that prepare batches.
        sampler: how an epoch draws images.
        lr: what is recorded of --lr; None if the recipe of the network file has the same.
        weight_decay: the same of --weight-decay.
    """

    recipe: Recipe
    amp: Literal["bf16", "fp16"] | None
    data: Path | None
    seed: int
    freeze: tuple[str, ...]
    accumulate: int
    workers: int
    sampler: Sampler = "random"
    lr: float | None = None
    weight_decay: float | None = None

    def micro_batch_size(self, images: int) -> int:
        """The images per micro-batch of a batch; the last one may be smaller, and there may be fewer."""
        return -(-images // self.accumulate)

    def steps_per_epoch(self, images: int) -> int:
        """The steps per epoch with this number of training images; the last batch may be smaller."""
        return -(-images // self.recipe.batch)

    def epochs(self, images: int) -> int:
        """The epochs of the training; if its length is in iterations, the last epoch can end before its last batch."""
        if self.recipe.epochs is not None:
            return self.recipe.epochs
        assert self.recipe.iterations is not None
        return -(-self.recipe.iterations // self.steps_per_epoch(images))


def settings_of(
    options: TrainOptions, file: NetworkFile, record: Mapping[str, Any] | None, device: torch.device
) -> Settings:
    """The settings of a training. Options that were not given are those of the run to resume, else of the recipe.

    Args:
        options: what the user asked for.
        file: the network file with the recipe.
        record: the content of run.json; None for a new run.
        device: the device that computes.

    Raises:
        UserError: the seed is larger than a generator accepts, or a learning rate or weight decay is not a number of
            their range.
    """
    _check_numbers(options)
    recipe = file.recipe
    before = record or {
        "data": None,
        "epochs": recipe.epochs,
        "iterations": recipe.iterations,
        "batch": recipe.batch,
        "seed": DEFAULT_SEED,
    }
    amp = options.amp or before.get("amp")
    changed = _changed_recipe(recipe, options, before, amp)
    own, used = recipe.optimizer, changed.optimizer
    return Settings(
        recipe=changed,
        amp=amp,
        lr=None if used.lr == own.lr else used.lr,
        weight_decay=None if used.weight_decay == own.weight_decay else used.weight_decay,
        data=_data_path(options.data, before["data"]),
        seed=before["seed"] if options.seed is None else options.seed,
        freeze=options.freeze or tuple(before.get("freeze", ())),
        accumulate=options.accumulate or before.get("accumulate", 1),
        workers=options.workers or default_workers(device),
        sampler=options.sampler or before.get("sampler", "random"),
    )


def default_workers(device: torch.device) -> int:
    """The number of threads that prepare batches by default: on the CPU, training itself needs the cores."""
    return 1 if device.type == "cpu" else min(8, max(1, available_cores() // 2))


def _check_numbers(options: TrainOptions) -> None:
    if options.seed is not None and options.seed > LARGEST_SEED:
        raise UserError(f"--seed {options.seed} is too large: at most {LARGEST_SEED}")
    if options.lr is not None and not 0 < options.lr < math.inf:
        raise UserError(f"--lr {options.lr}: expected a number above 0")
    if options.weight_decay is not None and not 0 <= options.weight_decay < math.inf:
        raise UserError(f"--weight-decay {options.weight_decay}: expected 0 or a number above it")


def _changed_recipe(
    recipe: Recipe, options: TrainOptions, before: Mapping[str, Any], amp: Literal["bf16", "fp16"] | None
) -> Recipe:
    """The recipe with the batch size, length, precision, learning rate and weight decay of this training."""
    iterations = None if options.epochs else before.get("iterations")
    optimizer = replace(
        recipe.optimizer,
        lr=_first(options.lr, before.get("lr"), recipe.optimizer.lr),
        weight_decay=_first(options.weight_decay, before.get("weight_decay"), recipe.optimizer.weight_decay),
    )
    return replace(
        recipe,
        epochs=None if iterations else options.epochs or before["epochs"],
        iterations=iterations,
        batch=options.batch or before["batch"],
        optimizer=optimizer,
        precision={None: recipe.precision, "bf16": BFloat16(), "fp16": Float16()}[amp],
    )


def _first(*values: float | None) -> float:
    return next(value for value in values if value is not None)


def _data_path(given: Path | None, before: str | None) -> Path | None:
    if given is not None:
        return given.absolute()
    return None if before is None else Path(before)
