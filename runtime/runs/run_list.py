"""A table of runs: what each trains, how far it is, and what it reached."""

from __future__ import annotations

from pathlib import Path
from typing import Any

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


def run_rows(folder: Path) -> tuple[list[tuple[str, ...]], list[str]]:
    """A row for each run under a folder, at any depth, oldest first; and messages about runs that are left out.

    Raises:
        UserError: the folder does not exist, or has no runs.
    """
    if not folder.is_dir():
        raise UserError(f"{printable(folder)} is not a folder: expected one with runs in it, as `alexc train` makes")
    found: list[tuple[str, tuple[str, ...]]] = []
    damaged: list[str] = []
    for record in sorted(folder.rglob("run.json")):
        run = RunFolder(record.parent)
        try:
            content = run.read_record()
            records = read_metrics(run.metrics) if run.metrics.exists() else []
            found.append((str(content["started"]), _row(run, folder, content, records)))
        except UserError as mistake:
            damaged.append(str(mistake))
        except (KeyError, TypeError, ValueError):
            damaged.append(f"{printable(record)} is damaged, or of another program")
    if not found and not damaged:
        raise UserError(f"{printable(folder)} holds no runs: expected folders that `alexc train` made")
    return [row for _, row in sorted(found)], damaged


def _row(run: RunFolder, folder: Path, record: dict[str, Any], records: list[dict[str, Any]]) -> tuple[str, ...]:
    epochs = [each for each in records if each["kind"] == "epoch"]
    diverged = divergence_in(records) is not None
    best = min(epochs, key=lambda each: _error(each["val_error"]), default=None)
    name = printable(run.path.relative_to(folder)) if run.path != folder else printable(run.path)
    started = str(record["started"])[:16].replace("T", " ")
    settings = (str(record["seed"]), str(record["batch"]), f"{len(epochs)} of {record['epochs']}")
    if best is None:
        steps = [each for each in records if each["kind"] == "step"]
        loss = "diverged" if diverged else _loss(steps[-1]["loss"]) if steps else "-"
        return (name, printable(record["network"]), started, *settings, "-", "-", loss, "-", "-")
    last = epochs[-1]
    return (
        name,
        printable(record["network"]),
        started,
        *settings,
        _number(best["val_error"], ".1%"),
        str(best["epoch"]),
        "diverged" if diverged else _loss(last["train_loss"]),
        _number(last["rate"], ".3g"),
        _number(last["images_per_second"], ",.0f"),
    )


def _error(value: float | None) -> float:
    return 2.0 if value is None else value


def _loss(value: float | None) -> str:
    return "-" if value is None else loss_text(value)


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
