"""Measures a trained network on a validation split and reports it, for `alexc evaluate`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from alexc.printable import printable
from alexc.table import aligned, listed, wrapped

from ..cores import available_cores
from ..data.batch_loader import BatchLoader
from ..data.folder_layout import Part, names
from ..data.folder_names import composed
from ..data.prepare import store_for
from ..data.prepare_report import preparation_summary
from ..data.recipe_images import check_labels, geometry_of
from ..data.split import Split
from ..data.store import Store, check_while_reading, read_source
from ..data.views import central_view
from ..errors import UserError
from ..runs.epoch_metrics import loss_text
from .class_scores import class_records, class_table, confusion_matrix
from .label_scores import LabelScores, tally_for
from .measure import Scores, ViewTally, measure, top5_tells
from .measured_images import MeasuredImages, measured_images
from .predictions_file import check_predictions, predictions_file
from .trained_network import TrainedNetwork

_WORST = 10


@dataclass(frozen=True, eq=False, repr=False)
class Evaluation:
    """The results of a trained network; prints as `alexc evaluate` does.

    Attributes:
        trained: the network.
        images: the images.
        missing: the classes of the network that none of them has.
        scores: by the name of the views: those of the recipe, and the central one alone.
    """

    trained: TrainedNetwork
    images: MeasuredImages
    missing: tuple[str, ...]
    scores: dict[str, Scores | LabelScores]

    @property
    def main(self) -> Scores | LabelScores:
        """The scores with the recipe's views."""
        return next(iter(self.scores.values()))

    def __str__(self) -> str:
        return evaluation_text(self)

    __repr__ = __str__


def evaluate_run(
    trained: TrainedNetwork, data: Path | None, rows: int, part: Part | None = None, predictions: Path | None = None
) -> Evaluation:
    """Measure a network with the views of its recipe, and with the central view alone.

    Args:
        trained: the network.
        data: a store or a folder of images of the same classes; None for the data of its training.
        rows: the largest number of views in a batch.
        part: the part to measure on; by default the validation images, or all of a folder that is only tested.
        predictions: the file for what the network says of each image, with the recipe's views.

    Raises:
        UserError: a file cannot be written, or the data does not exist, or has classes that the network does not know,
            or several labels per image where the loss needs one class.
    """
    if predictions is not None:
        check_predictions(predictions)
    images = measured_images(
        data or _data_of(trained),
        geometry_of(trained.file),
        part,
        training=data is None or _is_of_training(trained, data),
    )
    check_labels(trained.file, images.store)
    check_while_reading(images.store)
    scores = _scores_by_views(trained, images, rows, predictions)
    there = set(map(composed, images.store.classes))
    missing = tuple(name for name in trained.statistics.classes if composed(name) not in there)
    return Evaluation(trained, images, missing, scores)


def store_of_run(trained: TrainedNetwork, data: Path | None) -> Store:
    """The images to evaluate with: those of `data`, a store or a folder; for None those of the training.

    Raises:
        UserError: the data does not exist, or has other classes.
    """
    store = store_for(data or _data_of(trained), geometry_of(trained.file), available_cores())
    _check_classes(trained, store)
    return store


def images_note(evaluation: Evaluation) -> str:
    """A note on how the images were read, and what `prepare` found in them."""
    store = evaluation.images.store
    return f"note: {printable(store.path)}: {preparation_summary(store)}"


def evaluation_text(evaluation: Evaluation, width: int | None = None) -> str:
    """The report as text; in a terminal of `width` columns, its lines are wrapped at blanks."""
    trained, images = evaluation.trained, evaluation.images
    place = f"{len(images.store.classes)} classes ({printable(images.store.path)})"
    rows = [_source_row(trained), ("data", f"{len(images.split):,} {images.name}, {place}"), *_missing_rows(evaluation)]
    views = [("views", "loss", "top-1 error", "top-5 error")]
    for name, scores in evaluation.scores.items():
        views.append((name, loss_text(scores.loss), f"{scores.top1_error:.1%}", f"{scores.top5_error:.1%}"))
    table = views if top5_tells(trained.outputs) else [row[:-1] for row in views]
    main = evaluation.main
    worst = _classes_text(trained, main, width) if isinstance(main, Scores) else _labels_text(trained, main, width)
    return "\n".join([*listed(rows, width), "", *aligned(table, views[0][1:], width), "", *worst])


def evaluation_json(evaluation: Evaluation) -> str:
    """The report as JSON; errors are in 0..1."""
    trained, images = evaluation.trained, evaluation.images
    report: dict[str, Any] = {
        "run": str(trained.source),
        "checkpoint": trained.checkpoint.name,
        "epochs": trained.epochs,
        "data": str(images.store.path),
        "images": len(images.split),
        "classes": len(images.store.classes),
        "missing_classes": evaluation.missing,
        "views": {
            name: {"loss": scores.loss, "top1_error": scores.top1_error, "top5_error": scores.top5_error}
            | ({} if isinstance(scores, Scores) else _of_labels(scores))
            for name, scores in evaluation.scores.items()
        },
    }
    main = evaluation.main
    report["per_class"] = class_records(trained, main)
    if isinstance(main, Scores):
        report["worst_classes"] = [
            {
                "class": trained.statistics.classes[row.label],
                "images": row.images,
                "error": row.error,
                "taken_for": None if row.guess is None else trained.class_name(row.guess),
                "times": row.times,
            }
            for row in main.worst_classes(_WORST)
        ]
        report["confusion_matrix"] = confusion_matrix(trained, main)
    else:
        report["worst_labels"] = [
            asdict(row) | {"label": trained.class_name(row.label)} for row in main.worst_labels(_WORST)
        ]
    return json.dumps(report, indent=2)


def evaluation_csv(evaluation: Evaluation) -> str:
    """A table of the classes as CSV, with the recipe's views."""
    return class_table(evaluation.trained, evaluation.main)


def _scores_by_views(
    trained: TrainedNetwork, images: MeasuredImages, rows: int, predictions: Path | None
) -> dict[str, Scores | LabelScores]:
    """The scores with the recipe's views, if there are several, and with the central view; each image is shown once."""
    split, views = _with_labels_of(trained, images), trained.test_views()
    center = central_view(images.store.geometry.crop, trained.file.size)
    shown = views if center in views else (*views, center)
    loss, classes, outputs = trained.file.recipe.loss, len(trained.statistics.classes), trained.outputs
    all_views, central = (tally_for(loss, classes, outputs) for _ in range(2))
    tallies: list[tuple[ViewTally, Sequence[int]]] = [(all_views, range(len(views))), (central, (shown.index(center),))]
    with (
        predictions_file(predictions, trained, split) as written,
        BatchLoader(trained.renderer(), trained.file.size, max(rows, len(shown)), threads=1, outputs=outputs) as feed,
    ):
        tallies += [(each, range(len(views))) for each in written]
        measure(trained.network, feed, split, shown, rows, tallies, "evaluate", loss=loss)
    by_views: dict[str, Scores | LabelScores] = {f"{len(views)} crops": all_views.scores()} if len(views) > 1 else {}
    return by_views | {"centre": central.scores()}


def _classes_text(trained: TrainedNetwork, scores: Scores, width: int | None) -> list[str]:
    """The classes with the highest error."""
    rows = [("worst classes", "images", "error", "most often taken for")]
    for row in scores.worst_classes(_WORST):
        taken = "" if row.guess is None else f"{trained.class_name(row.guess)} ({row.times} times)"
        rows.append((trained.class_name(row.label), f"{row.images:,}", f"{row.error:.1%}", taken))
    return aligned(rows, ("images", "error"), width)


def _labels_text(trained: TrainedNetwork, scores: LabelScores, width: int | None) -> list[str]:
    """What is found of all labels, and the labels that are found least often."""
    rows = [("worst labels", "images", "precision", "recall")]
    for row in scores.worst_labels(_WORST):
        precision = "-" if row.precision is None else f"{row.precision:.1%}"
        rows.append((trained.class_name(row.label), f"{row.images:,}", precision, f"{row.recall:.1%}"))
    found = f"precision {scores.precision:.1%} and recall {scores.recall:.1%} of all labels with a score of 0.5 or more"
    average = f"average precision {scores.average_precision:.1%} per image"
    return [*wrapped(found, width), average, "", *aligned(rows, rows[0][1:], width)]


def _of_labels(scores: LabelScores) -> dict[str, float]:
    """The figures that networks of classes do not have."""
    return {
        "precision": scores.precision,
        "recall": scores.recall,
        "average_precision": scores.average_precision,
    }


def _source_row(trained: TrainedNetwork) -> tuple[str, str]:
    if trained.epochs is None:
        return "from", printable(trained.source)
    epochs = "1 epoch" if trained.epochs == 1 else f"{trained.epochs} epochs"
    return "run", f"{printable(trained.source)}, {printable(trained.checkpoint.name)} after {epochs}"


def _missing_rows(evaluation: Evaluation) -> list[tuple[str, str]]:
    missing = evaluation.missing
    if not missing:
        return []
    classes = len(evaluation.trained.statistics.classes)
    return [("note", f"no image of {len(missing)} of the {classes} classes: {names(missing)}")]


def _is_of_training(trained: TrainedNetwork, data: Path) -> bool:
    """Whether `data` is the folder, or the store, that the network was trained on."""
    own = {path.resolve() for path in (trained.data, trained.folder) if path is not None}
    with suppress(UserError):  # the store is gone or damaged, which does not matter for other data
        own.add(Path(str(read_source(trained.data).get("folder"))))
    return data.resolve() in own


def _with_labels_of(trained: TrainedNetwork, images: MeasuredImages) -> Split:
    """The images with the labels that the network has for the names of their classes.

    Raises:
        UserError: the network does not know a class.
    """
    known = {composed(name): label for label, name in enumerate(trained.statistics.classes)}
    names = [composed(name) for name in images.store.classes]
    if not known.keys() >= set(names):
        raise _other_classes(trained, images.store)
    label_of = np.array([known[name] for name in names])
    if len(known) == len(names) and (label_of == np.arange(len(names))).all():
        return images.split
    return images.split.relabelled(label_of)


def _data_of(trained: TrainedNetwork) -> Path:
    if not trained.data.exists():
        raise UserError(
            f"the data of the run, {printable(trained.data)}, is gone: name a store or a folder with --data"
        )
    return trained.data


def _check_classes(trained: TrainedNetwork, store: Store) -> None:
    if list(map(composed, store.classes)) != list(map(composed, trained.statistics.classes)):
        raise _other_classes(trained, store)


def _other_classes(trained: TrainedNetwork, store: Store) -> UserError:
    here, there = set(map(composed, store.classes)), set(map(composed, trained.statistics.classes))
    strange = sorted(here - there) or sorted(there - here)
    example = f", for example {printable(strange[0])!r}" if strange else ""
    return UserError(
        f"{printable(store.path)} has other classes than {printable(trained.source)} was trained on{example}: "
        "name data with the same class folders with --data"
    )
