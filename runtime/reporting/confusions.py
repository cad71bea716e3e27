"""What the network mistakes for what: a matrix if there are few classes, and the most frequent confusions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_MATRIX_CLASSES = 30
_MOST_FREQUENT = 12


@dataclass(frozen=True)
class Cell:
    """How often a class was recognised as another, or as itself, and the share of its images, 0..1."""

    count: int
    share: float
    right: bool


@dataclass(frozen=True)
class FrequentConfusion:
    """A class mistaken for another: how often, and the share of its images, 0..1."""

    true: str
    predicted: str
    count: int
    share: float


@dataclass(frozen=True)
class Confusions:
    """The section.

    Attributes:
        columns: the guesses: the classes, then guessed outputs without a class.
        rows: per class, in the order of the columns; None if there are too many.
        frequent: the most frequent confusions, most frequent first.
        kinds: the number of pairs of classes that were confused.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Cell, ...]], ...] | None
    frequent: tuple[FrequentConfusion, ...]
    kinds: int


def confusions_of(guesses: NDArray[np.int64], classes: Sequence[str], name: Callable[[int], str]) -> Confusions:
    """The section about counted guesses.

    Args:
        guesses: (classes, outputs): how often each output was guessed for each class.
        classes: the displayed names of the classes.
        name: the displayed name of an output.
    """
    images = guesses.sum(axis=1)
    wrong = guesses.copy()
    np.fill_diagonal(wrong, 0)
    pairs = sorted(np.argwhere(wrong).tolist(), key=lambda pair: (-int(wrong[pair[0], pair[1]]), *pair))
    frequent = tuple(
        FrequentConfusion(
            classes[label], name(guess), int(wrong[label, guess]), float(wrong[label, guess] / images[label])
        )
        for label, guess in pairs[:_MOST_FREQUENT]
    )
    columns, counts = list(classes), guesses[:, : len(classes)]
    strange = guesses[:, len(classes) :].sum(axis=1)
    if strange.any():
        columns.append("no class")
        counts = np.column_stack([counts, strange])
    rows = None
    if len(classes) <= _MATRIX_CLASSES:
        rows = tuple((classes[label], _cells(label, row)) for label, row in enumerate(counts))
    return Confusions(tuple(columns), rows, frequent, len(pairs))


def _cells(label: int, counts: NDArray[np.int64]) -> tuple[Cell, ...]:
    images = max(1, int(counts.sum()))
    return tuple(Cell(count, count / images, place == label) for place, count in enumerate(counts.tolist()))
