"""Measures a trained network on a validation split and reports it, for `alexc evaluate`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alexc.printable import printable

from ..cores import available_cores
from ..data.batch_loader import BatchLoader
from ..data.prepare import store_for
from ..data.recipe_check import geometry_of
from ..data.store import Store
from ..data.views import central_view
from ..errors import UserError
from .measure import Confusion, Scores, Tally, measure
from .trained_network import TrainedNetwork

WORST = 10


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The results of a trained network.

    Attributes:
        trained: the network.
        store: the data with the validation split.
        scores: by the name of the views: those of the recipe, and the central one alone.
    """

    trained: TrainedNetwork
    store: Store
    scores: dict[str, Scores]

    def worst(self) -> list[Confusion]:
        """The classes with the highest error with the recipe's views."""
        return next(iter(self.scores.values())).worst_classes(WORST)


def evaluate_run(trained: TrainedNetwork, data: Path | None, rows: int) -> Evaluation:
    """Measure a network with the views of its recipe, and with the central view alone.

    Args:
        trained: the network.
        data: a store or a folder of images with the same classes; None for the data of its training.
        rows: the largest number of views in a batch.

    Raises:
        UserError: the data does not exist, or has other classes.
    """
    store = store_of_run(trained, data)
    views = trained.test_views()
    center = central_view(store.geometry.crop, trained.file.size)
    shown = views if center in views else (*views, center)
    all_views, central = (Tally(len(store.classes), trained.outputs) for _ in range(2))
    tallies: list[tuple[Tally, Sequence[int]]] = [(all_views, range(len(views))), (central, (shown.index(center),))]
    with BatchLoader(trained.renderer(), trained.file.size, max(rows, len(shown)), threads=1) as feed:
        measure(trained.network, feed, store.val, shown, rows, tallies, "evaluate")
    scores = {f"{len(views)} crops": all_views.scores()} if len(views) > 1 else {}
    return Evaluation(trained, store, scores | {"centre": central.scores()})


def store_of_run(trained: TrainedNetwork, data: Path | None) -> Store:
    """The images to evaluate with: those of `data`, a store or a folder; for None those of the training.

    Raises:
        UserError: the data does not exist, or has other classes.
    """
    store = store_for(data or _data_of(trained), geometry_of(trained.file), available_cores())
    _check_classes(trained, store)
    return store


def evaluation_text(evaluation: Evaluation) -> str:
    """The report as text."""
    trained = evaluation.trained
    lines = [
        _source_text(trained),
        f"data  {len(evaluation.store.val):,} validation images, {len(evaluation.store.classes)} classes "
        f"({printable(evaluation.store.path)})",
        "",
        f"{'views':<10}{'loss':>9}{'top-1 error':>14}{'top-5 error':>14}",
    ]
    for name, scores in evaluation.scores.items():
        lines.append(f"{name:<10}{scores.loss:>9.4f}{scores.top1_error:>14.1%}{scores.top5_error:>14.1%}")
    names = [trained.class_name(row.label) for row in evaluation.worst()]
    width = max(len("worst classes"), *map(len, names))
    lines += ["", f"{'worst classes':<{width}}{'images':>9}{'error':>9}  most often taken for"]
    for name, row in zip(names, evaluation.worst(), strict=True):
        taken = "" if row.guess is None else f"{trained.class_name(row.guess)} ({row.times} times)"
        lines.append(f"{name:<{width}}{row.images:>9}{row.error:>9.1%}  {taken}".rstrip())
    return "\n".join(lines)


def evaluation_json(evaluation: Evaluation) -> str:
    """The report as JSON; errors are in 0..1."""
    trained = evaluation.trained
    report: dict[str, Any] = {
        "run": str(trained.source),
        "checkpoint": trained.checkpoint.name,
        "epochs": trained.epochs,
        "data": str(evaluation.store.path),
        "images": len(evaluation.store.val),
        "classes": len(evaluation.store.classes),
        "views": {
            name: {"loss": scores.loss, "top1_error": scores.top1_error, "top5_error": scores.top5_error}
            for name, scores in evaluation.scores.items()
        },
        "worst_classes": [
            {
                "class": trained.facts.classes[row.label],
                "images": row.images,
                "error": row.error,
                "taken_for": None if row.guess is None else trained.class_name(row.guess),
                "times": row.times,
            }
            for row in evaluation.worst()
        ],
    }
    return json.dumps(report, indent=2)


def _source_text(trained: TrainedNetwork) -> str:
    if trained.epochs is None:
        return f"from  {printable(trained.source)}"
    epochs = "1 epoch" if trained.epochs == 1 else f"{trained.epochs} epochs"
    return f"run   {printable(trained.source)}, {printable(trained.checkpoint.name)} after {epochs}"


def _data_of(trained: TrainedNetwork) -> Path:
    if not trained.data.exists():
        raise UserError(
            f"the data of the run, {printable(trained.data)}, is gone: name a store or a folder with --data"
        )
    return trained.data


def _check_classes(trained: TrainedNetwork, store: Store) -> None:
    if store.classes == trained.facts.classes:
        return
    here, there = set(store.classes), set(trained.facts.classes)
    strange = sorted(here - there) or sorted(there - here)
    example = f", for example {printable(strange[0])!r}" if strange else ""
    raise UserError(
        f"{printable(store.path)} has other classes than {printable(trained.source)} was trained on{example}: "
        "name data with the same class folders with --data"
    )
