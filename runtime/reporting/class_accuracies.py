"""The accuracy of each class, the lowest first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..evaluation.class_scores import scores_per_class
from ..evaluation.measure import Scores

MOST_CLASSES = 100


@dataclass(frozen=True)
class ClassAccuracy:
    """A class with its number of images, the share of them that is recognised, and its precision, 0..1."""

    name: str
    images: int
    accuracy: float
    precision: float | None


@dataclass(frozen=True)
class ClassAccuracies:
    """The section.

    Attributes:
        rows: the classes that have images, those with the lowest accuracy first; at most `MOST_CLASSES`.
        others: the number of classes beyond.
        mean: the mean accuracy of the classes.
    """

    rows: tuple[ClassAccuracy, ...]
    others: int
    mean: float


def class_accuracies(scores: Scores, classes: Sequence[str]) -> ClassAccuracies:
    """The section about counted guesses.

    Args:
        scores: of the validation images.
        classes: the displayed names of the classes.
    """
    rows = [
        ClassAccuracy(classes[each.label], each.support, each.recall, each.precision)
        for each in scores_per_class(scores, len(classes))
        if each.recall is not None
    ]
    rows.sort(key=lambda row: row.accuracy)
    mean = sum(row.accuracy for row in rows) / len(rows)
    return ClassAccuracies(tuple(rows[:MOST_CLASSES]), max(0, len(rows) - MOST_CLASSES), mean)
