"""Writes what a network says of every image of an evaluation, a line each, while it is measured."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from torch import Tensor

from alexc.printable import printable

from ..data.split import Split
from ..errors import UserError
from ..files import AtomicFile, check_new, writing
from ..label_losses import scores_of, target_rows
from ..recipes import CrossEntropy
from .class_scores import csv_line, output_names
from .measure import ViewTally, average
from .trained_network import TrainedNetwork

_ENDINGS = (".csv", ".jsonl")
_DIGITS = 7  # of a probability, as float32 has


class PredictionsFile:
    """Writes a line for each image, in the order of the files.

    Args:
        file: the open file.
        as_csv: write CSV; else an object of JSON in each line.
        trained: the network.
        files: the paths of the images.
    """

    def __init__(self, file: AtomicFile, as_csv: bool, trained: TrainedNetwork, files: Iterable[str]) -> None:
        self._file, self._as_csv, self._loss = file, as_csv, trained.file.recipe.loss
        self._names, self._files = output_names(trained), iter(files)
        if as_csv:
            self._write(csv_line(["file", self._kind, *self._names]))

    def count_views(self, answers: Tensor, labels: Tensor) -> None:
        """Add a batch: answers (N, views, outputs), as `answers_of` gives them, and labels."""
        if isinstance(self._loss, CrossEntropy):
            scores, named = average(answers).exp(), [[label] for label in labels.tolist()]
        else:
            scores = scores_of(self._loss, answers).mean(1)
            rows, _ = target_rows(labels, len(self._names))
            named = [row.nonzero().flatten().tolist() for row in rows]
        for numbers, own in zip(scores.tolist(), named, strict=True):
            self._add(next(self._files), [self._names[label] for label in own], list(map(_rounded, numbers)))

    @property
    def _kind(self) -> str:
        return "label" if isinstance(self._loss, CrossEntropy) else "labels"

    def _add(self, file: str, labels: list[str], numbers: list[float | None]) -> None:
        if self._as_csv:
            self._write(csv_line([file, " ".join(labels), *numbers]))
        else:
            said = labels[0] if isinstance(self._loss, CrossEntropy) else labels
            named = dict(zip(self._names, numbers, strict=True))
            self._write(json.dumps({"file": file, self._kind: said, "probabilities": named}))

    def _write(self, line: str) -> None:
        self._file.write(line.encode("utf-8", "backslashreplace") + b"\n")


def _rounded(value: float) -> float | None:
    """A number with the digits that it has; None for what is no number, which JSON cannot say."""
    return float(f"{value:.{_DIGITS}g}") if math.isfinite(value) else None


def check_predictions(path: Path) -> None:
    """Check that a file of predictions can be written.

    Raises:
        UserError: its name says no format, it exists, or its folder does not.
    """
    if path.suffix not in _ENDINGS:
        raise UserError(f"--predictions {printable(path)}: expected a name that ends in {' or '.join(_ENDINGS)}")
    check_new(path, "--predictions")


@contextmanager
def predictions_file(path: Path | None, trained: TrainedNetwork, split: Split) -> Iterator[list[ViewTally]]:
    """A tally that writes the file, which appears at the end of the block; none where `path` is None.

    Raises:
        UserError: the file cannot be written.
    """
    if path is None:
        yield []
        return
    with writing(path, "or name another file with --predictions"), AtomicFile(path) as file:
        yield [PredictionsFile(file, path.suffix == ".csv", trained, split.files)]
