"""The record of a training: JSON lines for programs, event files for TensorBoard."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any

from torch.utils.tensorboard import SummaryWriter

from alexc.runtime.errors import UserError
from alexc.runtime.printable import printable
from alexc.runtime.training.figures import EpochFigures
from alexc.runtime.training.wandb_log import WandbLog

_TAGS = {
    "loss": "train/batch_loss",
    "train_loss": "train/loss",
    "train_error": "train/error",
    "val_loss": "val/loss",
    "val_error": "val/top1_error",
    "val_top5_error": "val/top5_error",
    "rate": "rate",
    "images_per_second": "images_per_second",
}


class Metrics:
    """Appends records of steps and epochs; a context manager.

    Args:
        lines: the file of JSON lines, one object a line, `kind` "step" or "epoch".
        events: the folder of TensorBoard's event files; None writes none.
        kept: the bytes of `lines` that a checkpoint knows of; what lies beyond happens again, and is cut off.
        step: the step that the training goes on from; TensorBoard hides what lies beyond.
        wandb: Weights & Biases, which is told the same as TensorBoard.
    """

    def __init__(self, lines: Path, events: Path | None, kept: int, step: int, wandb: WandbLog | None = None) -> None:
        self._file = lines.open("ab")
        self._file.truncate(min(kept, lines.stat().st_size))
        self._file.seek(0, os.SEEK_END)
        self._wandb = wandb
        self._events = None if events is None else SummaryWriter(str(events), purge_step=step + 1 if step else None)

    def __enter__(self) -> Metrics:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._file.close()
        if self._events is not None:
            self._events.close()

    def step(self, step: int, epoch: int, loss: float, rate: float) -> None:
        """Record one step; `epoch` counts from 1."""
        self._record("step", step, epoch, {"loss": loss, "rate": rate})

    def epoch(
        self, step: int, epoch: int, figures: EpochFigures, rate: float, seconds: float, images_per_second: float
    ) -> None:
        """Record the end of an epoch; `epoch` counts from 1, `images_per_second` is that of the training alone."""
        timing = {"seconds": seconds, "images_per_second": images_per_second}
        self._record("epoch", step, epoch, asdict(figures) | {"rate": rate} | timing)

    def note(self, step: int, epoch: int, text: str) -> None:
        """Record something that happened."""
        self._write({"kind": "note", "step": step, "epoch": epoch, "text": text})

    def sync(self) -> int:
        """Bring the lines to the disk; returns how many bytes they are."""
        self._file.flush()
        os.fsync(self._file.fileno())
        return self._file.tell()

    def _record(self, kind: str, step: int, epoch: int, values: Mapping[str, float]) -> None:
        self._write({"kind": kind, "step": step, "epoch": epoch} | {name: _json(v) for name, v in values.items()})
        for name, value in values.items():
            if self._events is not None and name in _TAGS:
                self._events.add_scalar(_TAGS[name], value, step)
            if self._wandb is not None and name in _TAGS:
                self._wandb.add_scalar(_TAGS[name], value, step)

    def _write(self, record: Mapping[str, Any]) -> None:
        self._file.write(json.dumps(record, allow_nan=False).encode() + b"\n")
        self._file.flush()


class NoMetrics(Metrics):
    """Records nothing: what a process has that leaves it to another."""

    def __init__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        pass

    def sync(self) -> int:
        """Nothing was written."""
        return 0

    def _record(self, kind: str, step: int, epoch: int, values: Mapping[str, float]) -> None:
        pass

    def _write(self, record: Mapping[str, Any]) -> None:
        pass


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The records of a file that `Metrics` wrote; a last line that was cut off is left out.

    Raises:
        UserError: when the file cannot be read or holds something else.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    except OSError as error:
        raise UserError(f"{printable(path)} cannot be read ({error.strerror}): expected the metrics of a run") from None
    try:
        return [json.loads(line) for line in lines if line.endswith("\n")]
    except ValueError as error:
        raise UserError(f"{printable(path)} is damaged ({error}): expected one JSON object a line") from None


def _json(value: float) -> float | None:
    """JSON has no number for what is not one."""
    return value if math.isfinite(value) else None
