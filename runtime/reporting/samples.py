"""A few validation images with the five most likely classes of each: Figure 4 of the paper, left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from alexc.printable import printable

from ..data.split import Split
from ..data.spread import spread
from .answers import Answers
from .embedded_image import photograph_uri

SAMPLES = 8
_SIDE = 256


@dataclass(frozen=True)
class Guess:
    """One of the most likely classes of an image: its probability, 0..1, and whether it is the right one."""

    name: str
    probability: float
    true: bool


@dataclass(frozen=True)
class Sample:
    """A validation image.

    Attributes:
        file: its path.
        image: a data URI.
        true: the name of its class.
        right: whether the most likely class is the right one.
        guesses: the most likely classes, best first.
    """

    file: str
    image: str
    true: str
    right: bool
    guesses: tuple[Guess, ...]


def sample_numbers(labels: NDArray[np.int64], right: NDArray[np.bool_], count: int) -> list[int]:
    """Numbers of images spread over the classes, in order; half of them are wrong predictions, if there are enough.

    Args:
        labels: (N,), the classes.
        right: (N,), whether the prediction of each image is right.
        count: the number of images to choose, if there are as many.
    """
    wrong_ones, right_ones = np.flatnonzero(~right), np.flatnonzero(right)
    wrong_count = max(min(len(wrong_ones), count // 2), count - len(right_ones))
    chosen = _spread_over_classes(wrong_ones, labels, wrong_count, Counter())
    shown = Counter(labels[chosen].tolist())
    chosen += _spread_over_classes(right_ones, labels, count - len(chosen), shown)
    return sorted(chosen, key=lambda number: (int(labels[number]), number))


def draw_samples(split: Split, answers: Answers, numbers: Iterable[int], name: Callable[[int], str]) -> list[Sample]:
    """The section about these images.

    Args:
        split: the images.
        answers: the predictions for all images of the split.
        numbers: the images to draw.
        name: the displayed name of an output.
    """
    outputs, probabilities, right = answers.outputs, answers.probabilities, answers.right
    return [
        Sample(
            file=printable(split.files[number]),
            image=photograph_uri(split.image(number), _SIDE),
            true=name(int(split.labels[number])),
            right=bool(right[number]),
            guesses=tuple(
                Guess(name(output), probability, output == split.labels[number])
                for output, probability in zip(outputs[number].tolist(), probabilities[number].tolist(), strict=True)
            ),
        )
        for number in numbers
    ]


def _spread_over_classes(
    numbers: NDArray[np.int64], labels: NDArray[np.int64], count: int, shown: Counter[int]
) -> list[int]:
    """At most `count` of the images; classes that are rarest among them and `shown` come first."""
    met = shown.copy()
    turns: list[tuple[int, int, int]] = []
    for number in numbers.tolist():
        label = int(labels[number])
        turns.append((met[label], label, number))
        met[label] += 1
    chosen: list[int] = []
    for _, turn in groupby(sorted(turns), key=lambda each: each[0]):
        images = [number for _, _, number in turn]
        chosen += [images[place] for place in spread(len(images), count - len(chosen))]
    return chosen
