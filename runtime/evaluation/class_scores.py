"""Precision, recall and support of every class, and the tables of an evaluation for other programs."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .label_scores import LabelScores
from .measure import Scores
from .trained_network import TrainedNetwork


@dataclass(frozen=True)
class ClassScores:
    """How well a class, or one of several labels, is found.

    Attributes:
        label: the class index.
        support: the number of images of the class, or with the label.
        precision: the share of the images that the network gives the class which have it; None if it gives it to none.
        recall: the share of the images of the class that the network gives it; None if there are no images.
    """

    label: int
    support: int
    precision: float | None
    recall: float | None


def scores_per_class(scores: Scores | LabelScores, classes: int) -> list[ClassScores]:
    """The scores of each class. For several labels, a network gives an image a label with a score of 0.5 or more."""
    if isinstance(scores, Scores):
        support, given = scores.guesses.sum(axis=1), scores.guesses.sum(axis=0)
        right = np.diagonal(scores.guesses)
    else:
        support, given, right = scores.has, scores.claimed, scores.right
    return [
        ClassScores(label, int(support[label]), _share(right, given, label), _share(right, support, label))
        for label in range(classes)
    ]


def output_names(trained: TrainedNetwork) -> list[str]:
    """The name of each output as the data has it: its class, or its number where it has none."""
    classes = trained.statistics.classes
    return [*classes, *(f"output {output}" for output in range(len(classes), trained.outputs))]


def class_records(trained: TrainedNetwork, scores: Scores | LabelScores) -> list[dict[str, object]]:
    """Name, support, precision and recall of each class."""
    names = output_names(trained)
    return [
        {"class": names[each.label], "support": each.support, "precision": each.precision, "recall": each.recall}
        for each in scores_per_class(scores, len(trained.statistics.classes))
    ]


def class_table(trained: TrainedNetwork, scores: Scores | LabelScores) -> str:
    """The records of the classes as CSV; for a network of classes with a row of the confusion matrix each.

    The column `as NAME` counts the images of the row's class that the network takes for NAME. An empty value is a share
    of no images.
    """
    records = class_records(trained, scores)
    header: list[object] = ["class", "support", "precision", "recall"]
    rows: list[list[object]] = [["" if value is None else value for value in record.values()] for record in records]
    if isinstance(scores, Scores):
        header += [f"as {name}" for name in output_names(trained)]
        rows = [[*row, *guesses] for row, guesses in zip(rows, scores.guesses.tolist(), strict=True)]
    return "\n".join(map(csv_line, [header, *rows]))


def confusion_matrix(trained: TrainedNetwork, scores: Scores) -> dict[str, object]:
    """How often each output, a column, was the first guess for each class, a row."""
    return {
        "rows": list(trained.statistics.classes),
        "columns": output_names(trained),
        "counts": scores.guesses.tolist(),
    }


def csv_line(values: Sequence[object]) -> str:
    """A line of CSV, without its end."""
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(values)
    return line.getvalue()


def _share(part: NDArray[np.int64], whole: NDArray[np.int64], label: int) -> float | None:
    return int(part[label]) / int(whole[label]) if whole[label] else None
