"""A table of runs: what each trains, how far it is, and what it reached."""

from __future__ import annotations

import json
import math
import os
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from alexc.nearby import FOLDER, nearby
from alexc.printable import printable

from ..errors import UserError
from .course import Course
from .epoch_metrics import loss_text
from .metrics import read_metrics
from .run_files import RECORD, RunFiles

HEADER = (
    "run",
    "network",
    "started",
    "seed",
    "batch",
    "epochs",
    "val top-1 err",
    "in epoch",
    "loss",
    "rate",
    "images/s",
)
NUMERIC = frozenset(HEADER[3:])
SPARE = ("images/s", "rate", "seed", "batch", "in epoch", "started", "loss")  # what a narrow terminal leaves out first


@dataclass(frozen=True)
class ListedRun:
    """A run: what it trains, how far it is, and what it reached; None where it is not that far.

    Attributes:
        run: its folder.
        network: the name of its network.
        started: when, as ISO 8601 has it.
        seed: of the first epoch.
        batch: the batch size.
        epochs: the number of epochs of the recipe.
        epochs_done: how many of them are complete.
        val_error: the smallest top-1 error on the validation images, 0..1.
        best_epoch: the epoch of that error.
        loss: the last training loss: of an epoch or, in the first one, of a step.
        rate: the learning rate of the last epoch.
        images_per_second: in the last epoch.
        diverged: whether the training stopped because its loss was no number.
    """

    run: Path
    network: str
    started: str
    seed: int
    batch: int
    epochs: int
    epochs_done: int
    val_error: float | None
    best_epoch: int | None
    loss: float | None
    rate: float | None
    images_per_second: float | None
    diverged: bool


def listed_runs(folder: Path) -> tuple[list[ListedRun], list[str]]:
    """The runs under a folder, at any depth, oldest first; and messages about runs that are left out.

    Raises:
        UserError: the folder does not exist, or has no runs.
    """
    check_folder(folder)
    found: list[ListedRun] = []
    damaged: list[str] = []
    for run in sorted(find_runs(folder)[0], key=lambda each: each.record):
        try:
            found.append(read_run(run, folder))
        except UserError as mistake:
            damaged.append(str(mistake))
    if not found and not damaged:
        raise UserError(f"{printable(folder)} holds no runs: expected folders that `alexc train` made")
    return sorted(found, key=lambda each: (each.started, str(each.run))), damaged


def read_run(run: RunFiles, folder: Path) -> ListedRun:
    """One run, with everything that its row of the table shows; `folder` is that of `run_row`.

    Raises:
        UserError: the folder is not a run, or a file of it is damaged.
    """
    content = run.read_record()
    try:
        listed = listed_run(run, content, Course(read_metrics(run.metrics) if run.metrics.exists() else []))
        run_row(listed, folder)  # what cannot be shown is damaged
    except (KeyError, TypeError, ValueError):
        raise UserError(f"{printable(run.record)} is damaged, or of another program") from None
    return listed


def check_folder(folder: Path) -> None:
    """Check that a folder of runs exists.

    Raises:
        UserError: it does not.
    """
    if not folder.is_dir():
        expected = "expected one with runs in it, as `alexc train` makes"
        raise UserError(f"{printable(folder)} is not a folder: {expected}{nearby(folder, FOLDER)}")


def find_runs(folder: Path, most_entries: float = math.inf) -> tuple[list[RunFiles], bool]:
    """The runs under a folder, at any depth, in no order. Links to folders are not followed.

    Folders that cannot be read, or have just disappeared, are left out.

    Args:
        folder: the folder.
        most_entries: the number of files and folders to look at.

    Returns:
        The runs, and whether all folders were looked into.
    """
    found: list[RunFiles] = []
    waiting, seen = deque([folder]), 0
    while waiting and seen < most_entries:
        path = waiting.popleft()
        with suppress(OSError), os.scandir(path) as entries:
            for entry in entries:
                seen += 1
                if entry.name == RECORD:
                    found.append(RunFiles(path))
                elif entry.is_dir(follow_symlinks=False):
                    waiting.append(path / entry.name)
                if seen >= most_entries:
                    break
    return found, not waiting and seen < most_entries


def run_row(listed: ListedRun, folder: Path) -> tuple[str, ...]:
    """A row of the table; runs are named by their path below `folder`."""
    name = printable(listed.run.relative_to(folder)) if listed.run != folder else printable(listed.run)
    loss = "-" if listed.loss is None else loss_text(listed.loss)
    return (
        name,
        printable(listed.network),
        printable(listed.started)[:16].replace("T", " "),
        str(listed.seed),
        str(listed.batch),
        f"{listed.epochs_done} of {listed.epochs}",
        _number(listed.val_error, ".1%"),
        _number(listed.best_epoch, "d"),
        "diverged" if listed.diverged else loss,
        _number(listed.rate, ".3g"),
        _number(listed.images_per_second, ",.0f"),
    )


def runs_json(runs: Sequence[ListedRun]) -> str:
    """The runs as JSON."""
    return json.dumps([asdict(each) | {"run": str(each.run)} for each in runs], indent=2)


def listed_run(run: RunFiles, record: Mapping[str, Any], course: Course) -> ListedRun:
    """A run from its run.json, as `read_record` returns it, and its metrics."""
    best, last = course.best_epoch or {}, course.last_epoch or {}
    return ListedRun(
        run=run.path,
        network=record["network"],
        started=record["started"],
        seed=record["seed"],
        batch=record["batch"],
        epochs=record["epochs"],
        epochs_done=course.epochs_done,
        val_error=best.get("val_error"),
        best_epoch=best.get("epoch"),
        loss=last["train_loss"] if last else course.last_step.loss if course.last_step else None,
        rate=last.get("rate"),
        images_per_second=last.get("images_per_second"),
        diverged=course.ending is not None and course.ending["kind"] == "diverged",
    )


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
