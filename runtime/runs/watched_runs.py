"""The runs under a folder while they are trained: what each has reached, how fast it is, and its curves.

It only reads. Files can be damaged, half written, huge, or disappear at any time. A look takes bounded time and memory.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from heapq import nlargest
from pathlib import Path
from threading import Lock
from typing import Any

from alexc.printable import printable

from ..errors import UserError
from .condition import Condition, State, condition_of
from .course import StepPoint
from .growing_metrics import GrowingMetrics
from .held_locks import HeldLocks
from .pace import Pace, seconds_left, steps_per_epoch
from .run_files import RunFiles
from .run_list import ListedRun, find_runs, listed_run

MOST_RUNS = 500
_MOST_ENTRIES = 100_000  # files and folders that a search looks at
_SECONDS_BETWEEN_SEARCHES = 2.0
_SHARE_OF_SEARCHES = 0.1  # of the time, if a search is slow
_SECONDS_FOR_SHOWN = 0.5  # that a look reads metrics
_SECONDS_FOR_OTHERS = 0.25
_KEPT = ("network", "started", "epochs", "batch", "seed", "iterations", "steps_per_epoch", "top5")
_KEPT_OF_COMMAND = ("host", "started", "from_step")


@dataclass(frozen=True)
class RunNow:
    """A run at this moment.

    Attributes:
        identity: a short name of its folder, the same in every look.
        listed: what `alexc runs` lists of it. While it runs, `rate` is that of the last recorded step, and
            `images_per_second` the speed of the last minute, if they are known.
        condition: whether it runs, or how it ended.
        seconds_left: the time until its last epoch ends; None if it does not run, or the speed is unknown.
        step: the last step that is recorded.
        steps_per_epoch: None if it is unknown.
        written: when its metrics were last written, in seconds since 1970; None if it has none.
        share_read: the share of its metrics that was read so far, 0..1.
        damaged_lines: the number of lines of its metrics that training did not write.
    """

    identity: str
    listed: ListedRun
    condition: Condition
    seconds_left: float | None
    step: int
    steps_per_epoch: int | None
    written: float | None
    share_read: float
    damaged_lines: int


@dataclass(frozen=True)
class Look:
    """What a look saw.

    Attributes:
        runs: the runs, newest first.
        damaged: messages about runs that cannot be read.
        left_out: how many older runs there are beyond `MOST_RUNS`.
        is_complete: whether all folders were searched.
    """

    runs: tuple[RunNow, ...]
    damaged: tuple[str, ...]
    left_out: int
    is_complete: bool


@dataclass(frozen=True)
class RunCurves:
    """The curves of a run at this moment.

    Attributes:
        files: its files.
        steps: recorded steps, a limited number of them (see `Thinned`).
        epochs: records of epochs, thinned in the same way.
        all_steps: whether every recorded step is there.
        best_epoch: the epoch with the lowest validation error.
        notes: events: epoch, step and text.
        steps_per_epoch: None if it is unknown.
        top5: whether the top-5 error tells something.
    """

    files: RunFiles
    steps: tuple[StepPoint, ...]
    epochs: tuple[Mapping[str, Any], ...]
    all_steps: bool
    best_epoch: int | None
    notes: tuple[tuple[int, int, str], ...]
    steps_per_epoch: int | None
    top5: bool


class WatchedRuns:
    """The runs under a folder. Its methods can be called by several threads.

    Args:
        folder: the folder; it may be missing at times.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._runs: dict[str, _Watched] = {}
        self._left_out = 0
        self._is_complete = True
        self._next_search = 0.0
        self._lock = Lock()

    def look(self, shown: Collection[str] = ()) -> Look:
        """Read what is new in all runs.

        Args:
            shown: the identities of the runs whose curves are shown, which are read first.
        """
        with self._lock:
            if (start := time.monotonic()) >= self._next_search:
                self._search()
                end = time.monotonic()
                self._next_search = end + max(_SECONDS_BETWEEN_SEARCHES, (end - start) / _SHARE_OF_SEARCHES)
            for seconds, runs in zip((_SECONDS_FOR_SHOWN, _SECONDS_FOR_OTHERS), self._in_order(shown), strict=True):
                until = time.monotonic() + seconds
                for watched in runs:
                    watched.read(until)
            locks = HeldLocks()
            there = [watched for watched in self._runs.values() if watched.is_there]
            found = [watched.now(locks) for watched in there if watched.record is not None]
            found.sort(key=lambda each: (each.listed.started, each.identity), reverse=True)
            damaged = tuple(watched.damage for watched in there if watched.damage is not None)
            return Look(tuple(found), damaged, self._left_out, self._is_complete)

    def curves(self, identity: str) -> RunCurves | None:
        """The curves of a run, as the last look read them; None if there is no such run."""
        with self._lock:
            watched = self._runs.get(identity)
            if watched is None or watched.record is None:
                return None
            course = watched.metrics.course
            return RunCurves(
                watched.files,
                tuple(course.steps.points),
                tuple(course.epochs.points),
                course.steps.is_complete,
                None if course.best_epoch is None else course.best_epoch["epoch"],
                tuple(course.notes),
                steps_per_epoch(watched.record, course),
                watched.record.get("top5", True),
            )

    def _in_order(self, shown: Collection[str]) -> tuple[list[_Watched], list[_Watched]]:
        """The runs that are shown, and the others; those with little to read first."""
        runs = sorted(self._runs.values(), key=lambda each: each.metrics.unread)
        return [each for each in runs if each.identity in shown], [each for each in runs if each.identity not in shown]

    def _search(self) -> None:
        found, self._is_complete = find_runs(self.folder, _MOST_ENTRIES)
        newest = nlargest(MOST_RUNS, found, key=_written)
        self._left_out = len(found) - len(newest)
        names = {self._identity(run): run for run in newest}
        self._runs = {name: self._runs.get(name) or _Watched(name, run) for name, run in names.items()}

    def _identity(self, run: RunFiles) -> str:
        return hashlib.sha256(os.fsencode(run.path.relative_to(self.folder))).hexdigest()[:16]


class _Watched:
    """A run that is watched; `look` calls `read`, then `now`."""

    def __init__(self, identity: str, files: RunFiles) -> None:
        self.identity = identity
        self.files = files
        self.metrics = GrowingMetrics(files.metrics)
        self.record: Mapping[str, Any] | None = None
        self.damage: str | None = None
        self.is_there = True
        self._pace = Pace()
        self._seen: tuple[int, ...] = ()

    def read(self, until: float) -> None:
        """Read what is new, metrics until this time of `time.monotonic`."""
        try:
            status = self.files.record.stat()
        except OSError:
            self.is_there = False
            return
        self.is_there = True
        seen = (status.st_ino, status.st_size, status.st_mtime_ns)
        if seen != self._seen:  # a new run, or one that a command continues
            self._seen = seen
            self._read_record()
            self.metrics.start_again()
            self._pace = Pace()
        if self.record is None:
            return
        self.metrics.read(until)
        if self.metrics.written is not None and not self.metrics.unread:
            self._pace.look(self.metrics.course, self.metrics.written)

    def now(self, locks: HeldLocks) -> RunNow:
        """What was read, with the locks of this moment."""
        assert self.record is not None
        metrics, course, record = self.metrics, self.metrics.course, self.record
        condition = condition_of(self.files, record, course.epochs_done, metrics.ending, locks)
        listed = listed_run(self.files, record, course)
        speed, left = self._pace.steps_per_second, None
        if condition.state in (State.RUNNING, State.UNKNOWN):
            left = seconds_left(record, course, self._pace, metrics.written)
            if course.last_step is not None:
                listed = replace(listed, rate=course.last_step.rate)
            if speed is not None:
                listed = replace(listed, images_per_second=speed * record["batch"])
        size = metrics.read_bytes + metrics.unread
        return RunNow(
            identity=self.identity,
            listed=listed,
            condition=condition,
            seconds_left=left,
            step=course.step,
            steps_per_epoch=steps_per_epoch(record, course),
            written=metrics.written,
            share_read=metrics.read_bytes / size if size else 1.0,
            damaged_lines=metrics.damaged,
        )

    def _read_record(self) -> None:
        self.record, self.damage = None, None
        try:
            record = self.files.read_record()
        except UserError as mistake:
            self.damage = printable(mistake)
            return
        commands = [{name: each.get(name) for name in _KEPT_OF_COMMAND} for each in record["commands"][-1:]]
        self.record = {name: record[name] for name in _KEPT if name in record} | {"commands": commands}


def _written(run: RunFiles) -> float:
    try:
        return run.record.stat().st_mtime
    except OSError:
        return 0.0
