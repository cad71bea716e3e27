"""What the records of a run amount to, counted one record at a time, in memory that does not grow with the run."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from .metrics import ENDINGS, EPOCH_VALUES

MOST_POINTS = 2000
_MOST_NOTES = 100
_LONGEST_NOTE = 500  # characters
NOTES = ("note", "diverged")

Point = TypeVar("Point")


@dataclass(frozen=True, slots=True)
class StepPoint:
    """A recorded step; the loss and the rate are None where they were not finite."""

    step: int
    loss: float | None
    rate: float | None


class Thinned(Generic[Point]):
    """Points in order: at most `MOST_POINTS`, and the last one.

    Of more points, it keeps those with the lowest and the highest value of each group of neighbours. So nothing is
    averaged, and no peak is lost.

    Args:
        value: the value of a point.
    """

    def __init__(self, value: Callable[[Point], float | None]) -> None:
        self._value = value
        self._groups: list[list[Point]] = []
        self._last: list[Point] = []
        self._size = 1
        self._in_last_group = 0

    def add(self, point: Point) -> None:
        """Append a point."""
        self._last = [point]
        if self._groups and self._in_last_group < self._size:
            self._groups[-1] = self._extremes([*self._groups[-1], point])
            self._in_last_group += 1
            return
        if len(self._groups) == MOST_POINTS // 2:  # all full: neighbours become one group
            pairs = zip(self._groups[::2], self._groups[1::2], strict=True)
            self._groups = [self._extremes([*before, *after]) for before, after in pairs]
            self._size *= 2
        self._groups.append([point])
        self._in_last_group = 1

    @property
    def points(self) -> list[Point]:
        """The points that are kept."""
        kept = [point for group in self._groups for point in group]
        return kept if kept[-1:] == self._last else kept + self._last

    @property
    def is_complete(self) -> bool:
        """Whether every point is kept."""
        return self._size == 1

    def _extremes(self, points: list[Point]) -> list[Point]:
        """The points with the lowest and the highest value, in their order; the first one if none has a value."""
        known = [(value, place) for place, point in enumerate(points) if (value := self._value(point)) is not None]
        places = sorted({min(known)[1], max(known)[1]}) if known else [0]
        return [points[place] for place in places]


class Course:
    """How far a run is and what it reached.

    Attributes:
        steps: the recorded steps.
        epochs: the records of epochs, with the values `EPOCH_VALUES`.
        epochs_done: the number of complete epochs.
        best_epoch: the record of the epoch with the lowest validation error, if any is complete.
        last_epoch: the record of the last complete epoch.
        last_step: the last recorded step.
        step: the last step that a record names.
        notes: the last notes, and that a number was not finite: epoch, step and text.
        ending: the last record, if it says how the training ended.
    """

    def __init__(self, records: Iterable[Mapping[str, Any]] = ()) -> None:
        """Count these records of `read_metrics`."""
        self.steps: Thinned[StepPoint] = Thinned(lambda point: point.loss)
        self.epochs: Thinned[Mapping[str, Any]] = Thinned(lambda record: number(record["val_error"]))
        self.epochs_done = 0
        self.best_epoch: Mapping[str, Any] | None = None
        self.last_epoch: Mapping[str, Any] | None = None
        self.last_step: StepPoint | None = None
        self.step = 0
        self.notes: deque[tuple[int, int, str]] = deque(maxlen=_MOST_NOTES)
        self.ending: Mapping[str, Any] | None = None
        for record in records:
            self.add(record)

    def add(self, record: Mapping[str, Any]) -> bool:
        """Count a record; returns False, and leaves it out, if it is of a step or an epoch before the last one."""
        kind, step = record["kind"], record["step"]
        if kind == "step":
            if self.last_step is not None and step <= self.last_step.step:
                return False
            self.last_step = StepPoint(step, number(record["loss"]), number(record["rate"]))
            self.steps.add(self.last_step)
        elif kind == "epoch":
            if self.last_epoch is not None and record["epoch"] <= self.last_epoch["epoch"]:
                return False
            self._add_epoch({name: record[name] for name in ("epoch", "step", *EPOCH_VALUES)})
        elif kind in NOTES:
            self.notes.append((record["epoch"], step, record["text"][:_LONGEST_NOTE]))
        self.step = max(self.step, step) if kind != "diverged" else self.step
        self.ending = record if kind in ENDINGS else None
        return True

    def _add_epoch(self, record: Mapping[str, Any]) -> None:
        self.epochs.add(record)
        self.epochs_done += 1
        self.last_epoch = record
        if self.best_epoch is None or compared_error(record) < compared_error(self.best_epoch):
            self.best_epoch = record


def compared_error(record: Mapping[str, Any]) -> float:
    """The validation error of an epoch, for comparisons: one that was not finite is above all others."""
    return 2.0 if record["val_error"] is None else float(record["val_error"])


def number(value: float | None) -> float | None:
    """A recorded number, which may be whole; None if it was not finite."""
    return None if value is None else float(value)
