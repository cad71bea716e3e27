"""Run folders as a training writes them, without a training."""

from __future__ import annotations

import json
import math
import platform
from pathlib import Path
from typing import Any

from alexc.runtime.runs.epoch_metrics import EpochMetrics
from alexc.runtime.runs.metrics import Metrics
from alexc.runtime.runs.run_list import listed_runs, run_row

STEPS_PER_EPOCH = 20
BATCH = 32


def run_rows(folder: Path) -> tuple[list[tuple[str, ...]], list[str]]:
    """The rows of `alexc runs`, and its messages."""
    found, damaged = listed_runs(folder)
    return [run_row(each, folder) for each in found], damaged


def write_record(run: Path, **changes: Any) -> None:  # noqa: ANN401
    """Write the run.json of a run of this machine."""
    run.mkdir(parents=True, exist_ok=True)
    command = {
        "command": ["alexc", "train", "generated/small.py"],
        "started": "2026-01-02T03:04:05.000+00:00",
        "from_step": 0,
        "host": platform.node(),
        "device_name": "cpu (2 threads)",
        "versions": {"python": "3.11.9", "torch": "2.14.1"},
    }
    record = {
        "network": "small", "started": command["started"], "data": None, "store": {"path": "stores/demo"},
        "epochs": 10, "iterations": None, "steps_per_epoch": STEPS_PER_EPOCH, "batch": BATCH, "seed": 1, "freeze": [],
        "amp": None, "lr": None, "weight_decay": None, "accumulate": 1, "class_weights": None, "sampler": "random",
        "weights": None, "commands": [command], "wandb": None,
    }  # fmt: skip
    (run / "run.json").write_text(json.dumps(record | changes))


def write_epochs(run: Path, epochs: range, rate: float = 0.01, steps_per_epoch: int = STEPS_PER_EPOCH) -> None:
    """Append the records of these epochs, counted from 1, whose losses and errors fall."""
    with appended(run) as metrics:
        for epoch in epochs:
            for step in range((epoch - 1) * steps_per_epoch + 1, epoch * steps_per_epoch + 1):
                metrics.step(step, epoch, loss_at(step / steps_per_epoch, step), rate)
            figures = EpochMetrics(loss_at(epoch), 0.8 / epoch, loss_at(epoch) + 0.1, 0.9 / epoch, 0.3 / epoch)
            metrics.epoch(epoch * steps_per_epoch, epoch, figures, rate, 12.5, 1234.0)


def appended(run: Path) -> Metrics:
    """The metrics of a run, to append to."""
    lines = run / "metrics.jsonl"
    return Metrics(lines, None, lines.stat().st_size if lines.exists() else 0, 0)


def loss_at(epoch: float, noise: int = 0) -> float:
    """A loss that falls, with a ripple."""
    return 2.3 * math.exp(-epoch / 4) + 0.1 + (0.05 * math.sin(noise * 1.7) if noise else 0)
