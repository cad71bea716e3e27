"""How fast a training is, from when its records were written, and how long it will still take."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from .course import Course

_WINDOW = 60.0  # seconds


class Pace:
    """The speed of a training that is watched: steps and when the file of its metrics had them.

    Validation between two epochs does not count.
    """

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()
        self._epochs = 0

    def look(self, course: Course, written: float) -> None:
        """Note the last step, and when it was written, in seconds since 1970."""
        if course.epochs_done != self._epochs:
            self._epochs = course.epochs_done
            self._seen.clear()
        elif not self._seen or course.step > self._seen[-1][1]:
            self._seen.append((written, course.step))
        while len(self._seen) > 2 and self._seen[1][0] < written - _WINDOW:
            self._seen.popleft()

    @property
    def steps_per_second(self) -> float | None:
        """The speed in the last minute or so; None before two records were seen in the running epoch."""
        if len(self._seen) < 2:
            return None
        (start, first), (end, last) = self._seen[0], self._seen[-1]
        return (last - first) / (end - start) if end > start else None


def steps_per_epoch(record: Mapping[str, Any], course: Course) -> int | None:
    """The number of steps of an epoch; None in the first epoch of a run of a version that did not record it."""
    recorded = record.get("steps_per_epoch")
    if recorded is not None:
        return int(recorded)
    last = course.last_epoch
    return max(1, round(last["step"] / last["epoch"])) if last is not None and last["epoch"] else None


def seconds_left(record: Mapping[str, Any], course: Course, pace: Pace, written: float | None) -> float | None:
    """The time until the last epoch of the recipe ends, from the newest speed that is known; None if none is.

    Args:
        record: run.json.
        course: the metrics.
        pace: the speed of the running epoch.
        written: when the metrics were last written, in seconds since 1970.
    """
    steps = steps_per_epoch(record, course)
    if steps is None:
        return None
    left = max(0, (record.get("iterations") or record["epochs"] * steps) - course.step)
    if course.last_epoch is not None and course.last_epoch["seconds"] is not None:
        return float(left / steps * course.last_epoch["seconds"])  # with its validation
    speed = pace.steps_per_second or _speed_since_start(record, course, written)
    return left / speed if speed else None


def _speed_since_start(record: Mapping[str, Any], course: Course, written: float | None) -> float | None:
    """Steps per second since the last command began, with the time that its start took."""
    try:
        command = record["commands"][-1]
        seconds = (written or 0) - datetime.fromisoformat(command["started"]).timestamp()
        steps = course.step - int(command["from_step"])
    except (IndexError, KeyError, TypeError, ValueError, OverflowError, OSError):
        return None
    return steps / seconds if steps > 0 and seconds > 0 else None
