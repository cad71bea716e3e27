"""The log of a training: JSON lines for programs, event files for TensorBoard."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, get_args

from alexc.printable import printable

from ..errors import UserError
from ..files import require_regular_file, writing
from .epoch_metrics import EpochMetrics
from .wandb_log import WandbLog

if TYPE_CHECKING:
    from .event_file import EventFile

Ending = Literal["finished", "stopped", "diverged"]
ENDINGS: tuple[Ending, ...] = get_args(Ending)
EPOCH_VALUES = (*(each.name for each in fields(EpochMetrics)), "rate", "seconds", "images_per_second")

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
_VALUES: dict[str, tuple[str, ...]] = {
    "step": ("loss", "rate"),
    "epoch": EPOCH_VALUES,
    "note": (),
    **dict.fromkeys(ENDINGS, ()),
}
_MOST = 2**53  # steps and epochs: floats hold each number up to it
_GO_ON = "the checkpoints are intact: continue with --resume"


class Metrics:
    """Appends records of steps and epochs; a context manager.

    If something cannot be written, it raises a UserError that names the file.

    Args:
        lines: the JSON lines file: one object per line, with `kind` "step", "epoch", "note" or an `Ending`.
        events: the folder of TensorBoard's event files; None writes none.
        kept: the length of `lines` in bytes at the checkpoint; later lines will be written again, so they are cut off.
        step: the step from which the training continues; TensorBoard hides later ones.
        wandb: Weights & Biases, which gets the same values as TensorBoard.
    """

    def __init__(self, lines: Path, events: Path | None, kept: int, step: int, wandb: WandbLog | None = None) -> None:
        self._path, self._folder, self._wandb = lines, events, wandb
        with writing(lines, _GO_ON):
            self._file = lines.open("ab")
            self._file.truncate(min(kept, lines.stat().st_size))
            self._file.seek(0, os.SEEK_END)
        self._events: EventFile | None = None
        if events is not None:
            from .event_file import EventFile  # imports tensorboard, which readers do not need

            with writing(events, _GO_ON):
                self._events = EventFile(events, step)

    def __enter__(self) -> Metrics:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        reported = kind is not None
        self._close(self._file.close, self._path, reported)
        if self._events is not None and self._folder is not None:
            self._close(self._events.close, self._folder, reported)

    def step(self, step: int, epoch: int, loss: float, rate: float) -> None:
        """Record one step; `epoch` counts from 1."""
        self._record("step", step, epoch, {"loss": loss, "rate": rate})

    def epoch(
        self, step: int, epoch: int, metrics: EpochMetrics, rate: float, seconds: float, images_per_second: float
    ) -> None:
        """Record the end of an epoch. `epoch` counts from 1; `images_per_second` is the speed of training only."""
        timing = {"seconds": seconds, "images_per_second": images_per_second}
        self._record("epoch", step, epoch, asdict(metrics) | {"rate": rate} | timing)

    def note(self, step: int, epoch: int, text: str) -> None:
        """Record a note."""
        self._write({"kind": "note", "step": step, "epoch": epoch, "text": text})

    def ended(self, ending: Ending, step: int, epoch: int, text: str) -> None:
        """Record how the training ends. A training that continues cuts this record off.

        Args:
            ending: "diverged" if a number was not finite, so that the training stops before this step.
            step: the last step, or the one that diverged.
            epoch: its epoch, from 1.
            text: the reason.
        """
        self._write({"kind": ending, "step": step, "epoch": epoch, "text": text})

    def sync(self) -> int:
        """Sync the lines to disk; returns their length in bytes."""
        with writing(self._path, _GO_ON):
            self._file.flush()
            os.fsync(self._file.fileno())
        return self._file.tell()

    def _record(self, kind: str, step: int, epoch: int, values: Mapping[str, float]) -> None:
        self._write({"kind": kind, "step": step, "epoch": epoch} | {name: _json(v) for name, v in values.items()})
        for name, value in values.items():
            if self._events is not None and self._folder is not None and name in _TAGS:
                with writing(self._folder, _GO_ON):
                    self._events.add(_TAGS[name], value, step)
            if self._wandb is not None and name in _TAGS:
                self._wandb.add_scalar(_TAGS[name], value, step)

    def _write(self, record: Mapping[str, Any]) -> None:
        with writing(self._path, _GO_ON):
            self._file.write(json.dumps(record, allow_nan=False).encode() + b"\n")
            self._file.flush()

    @staticmethod
    def _close(close: Callable[[], None], path: Path, reported: bool) -> None:
        """Close a file. Its last buffer may not fit on the disk; this is not reported if another error already is."""
        try:
            with writing(path, _GO_ON):
                close()
        except UserError:
            if not reported:
                raise


class NoMetrics(Metrics):
    """Records nothing: for ranks other than 0."""

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
    """The records of a file that `Metrics` wrote, without a last line that was cut off.

    Raises:
        UserError: the file cannot be read or has another form.
    """
    return _records(path, _content(path))


def check_metrics(path: Path, kept: int) -> None:
    """Check the first `kept` bytes, which a training that continues keeps. The file may be missing.

    Raises:
        UserError: these bytes are damaged, or the file has fewer.
    """
    if not path.exists():
        return
    remedy = "; move it away to continue without the records so far"
    content = _content(path)
    if len(content) < kept:
        short = f"it has {len(content):,} of {kept:,} bytes"
        raise UserError(f"{printable(path)} is cut off ({short}): restore what training wrote{remedy}")
    try:
        _records(path, content[:kept])
    except UserError as damage:
        raise UserError(f"{damage}{remedy}") from None


def divergence_in(records: Sequence[Mapping[str, Any]]) -> str | None:
    """Why and where the training stopped, if a number was not finite."""
    if not records or records[-1]["kind"] != "diverged":
        return None
    return divergence_text(records[-1])


def divergence_text(record: Mapping[str, Any]) -> str:
    """Why and where a training diverged, from its last record."""
    return f"{record['text']} at step {record['step']:,} (epoch {record['epoch']})"


def _content(path: Path) -> bytes:
    try:
        require_regular_file(path)
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"{printable(path)} cannot be read ({error.strerror}): expected the metrics of a run") from None


def _records(path: Path, content: bytes) -> list[dict[str, Any]]:
    lines = [line for line in content.splitlines(keepends=True) if line.endswith(b"\n")]
    records = []
    for number, line in enumerate(lines, 1):
        try:
            record = record_in(line)
        except (ValueError, RecursionError) as error:
            raise UserError(f"{printable(path)} is damaged ({error}): expected one JSON object a line") from None
        if record is None:
            raise UserError(f"{printable(path)} is damaged: restore what training wrote (line {number:,})")
        records.append(record)
    return records


def record_in(line: bytes) -> dict[str, Any] | None:
    """The record of a line, or None if the line is JSON that `Metrics` does not write.

    Raises:
        ValueError, RecursionError: the line is not JSON.
    """
    record = json.loads(line)
    return record if _is_record(record) else None


def _is_record(record: object) -> bool:
    if not isinstance(record, dict):
        return False
    kind = record.get("kind")
    if not isinstance(kind, str) or kind not in _VALUES:
        return False
    if not all(isinstance(record.get(name), int) and 0 <= record[name] < _MOST for name in ("step", "epoch")):
        return False
    if not _VALUES[kind]:
        return isinstance(record.get("text"), str)
    return all(_is_value(record.get(name, "")) for name in _VALUES[kind])


def _is_value(value: object) -> bool:
    """Whether it is None, or a number as `_json` writes it: neither infinite nor an integer that no float can hold."""
    return value is None or (isinstance(value, (int, float)) and abs(value) <= sys.float_info.max)


def _json(value: float) -> float | None:
    """None for infinity and NaN, which JSON cannot express."""
    return value if math.isfinite(value) else None
