"""A table of runs: what each trains, how far it is, and what it reached."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from alexc.nearby import FOLDER, nearby
from alexc.printable import printable

from ..errors import UserError
from .epoch_metrics import loss_text
from .metrics import divergence_in, read_metrics
from .run_folder import RunFolder

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


def run_rows(folder: Path) -> tuple[list[tuple[str, ...]], list[str]]:
    """A row of the table for each run under a folder, and the messages of `listed_runs`."""
    found, damaged = listed_runs(folder)
    return [run_row(each, folder) for each in found], damaged


def listed_runs(folder: Path) -> tuple[list[ListedRun], list[str]]:
    """The runs under a folder, at any depth, oldest first; and messages about runs that are left out.

    Raises:
        UserError: the folder does not exist, or has no runs.
    """
    if not folder.is_dir():
        expected = "expected one with runs in it, as `alexc train` makes"
        raise UserError(f"{printable(folder)} is not a folder: {expected}{nearby(folder, FOLDER)}")
    found: list[ListedRun] = []
    damaged: list[str] = []
    for record in sorted(folder.rglob("run.json")):
        run = RunFolder(record.parent)
        try:
            found.append(listed_run(run, folder))
        except UserError as mistake:
            damaged.append(str(mistake))
    if not found and not damaged:
        raise UserError(f"{printable(folder)} holds no runs: expected folders that `alexc train` made")
    return sorted(found, key=lambda each: (each.started, str(each.run))), damaged


def listed_run(run: RunFolder, folder: Path) -> ListedRun:
    """One run, with everything that its row of the table shows; `folder` is that of `run_row`.

    Raises:
        UserError: the folder is not a run, or a file of it is damaged.
    """
    content = run.read_record()
    records = read_metrics(run.metrics) if run.metrics.exists() else []
    try:
        listed = _listed(run, content, records)
        run_row(listed, folder)  # what cannot be shown is damaged
    except (KeyError, TypeError, ValueError):
        raise UserError(f"{printable(run.record)} is damaged, or of another program") from None
    return listed


def run_row(listed: ListedRun, folder: Path) -> tuple[str, ...]:
    """A row of the table; runs are named by their path below `folder`."""
    name = printable(listed.run.relative_to(folder)) if listed.run != folder else printable(listed.run)
    loss = "-" if listed.loss is None else loss_text(listed.loss)
    return (
        name,
        printable(listed.network),
        listed.started[:16].replace("T", " "),
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


def _listed(run: RunFolder, record: dict[str, Any], records: list[dict[str, Any]]) -> ListedRun:
    epochs = [each for each in records if each["kind"] == "epoch"]
    steps = [each for each in records if each["kind"] == "step"]
    best = min(epochs, key=lambda each: _error(each["val_error"]), default={})
    last = epochs[-1] if epochs else {}
    return ListedRun(
        run=run.path,
        network=str(record["network"]),
        started=str(record["started"]),
        seed=record["seed"],
        batch=record["batch"],
        epochs=record["epochs"],
        epochs_done=len(epochs),
        val_error=best.get("val_error"),
        best_epoch=best.get("epoch"),
        loss=last["train_loss"] if epochs else steps[-1]["loss"] if steps else None,
        rate=last.get("rate"),
        images_per_second=last.get("images_per_second"),
        diverged=divergence_in(records) is not None,
    )


def _error(value: float | None) -> float:
    return 2.0 if value is None else value


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
