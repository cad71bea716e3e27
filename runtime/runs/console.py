"""What a training prints to standard output: a header, a line per epoch, and the paths of its files."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from alexc.printable import printable
from alexc.terminal import print_message

from .epoch_metrics import EpochMetrics, loss_text

_COLUMNS = (
    ("epoch", 7),
    ("loss", 9),
    ("train err", 10),
    ("val top-1 err", 14),
    ("val top-5 err", 14),
    ("rate", 9),
    ("images/s", 10),
    ("time", 9),
)


def print_header(rows: Sequence[tuple[str, str]], notes: Sequence[str]) -> None:
    """Print the settings of the training, and the column names of the lines that follow."""
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        print_note(f"{name:<{width}}  {printable(value)}")
    for note in notes:
        print_note(note)
    print_note("")
    print_note("".join(f"{name:>{columns}}" for name, columns in _COLUMNS))


def print_epoch(epoch: int, figures: EpochMetrics, rate: float, images_per_second: float, seconds: float) -> None:
    """Print the line of an epoch."""
    cells = (
        str(epoch),
        loss_text(figures.train_loss),
        f"{figures.train_error:.1%}",
        f"{figures.val_error:.1%}",
        f"{figures.val_top5_error:.1%}",
        f"{rate:.3g}",
        f"{images_per_second:,.1f}",
        duration(seconds),
    )
    print_note("".join(f"{cell:>{columns}}" for cell, (_, columns) in zip(cells, _COLUMNS, strict=True)))


def print_note(text: str) -> None:
    """Print a line for the user.

    If standard output cannot be written, such as a pipe that was closed or a file on a full disk, this process gets
    SIGTERM: a training saves and ends, instead of failing between two steps.
    """
    try:
        print_message(text, sys.stdout, flush=True)
    except OSError as error:
        sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115 - until this process ends
        with suppress(OSError):
            print_message(f"error: standard output cannot be written ({error.strerror})", flush=True)
        signal.raise_signal(signal.SIGTERM)


def print_files(rows: Sequence[tuple[str, Path, str]]) -> None:
    """Print the files that exist: name, path, and a remark."""
    present = [(name, printable(path), remark) for name, path, remark in rows if path.exists()]
    width = max((len(name) for name, _, _ in present), default=0)
    long = max((len(path) for _, path, _ in present), default=0)
    print_note("")
    for name, path, remark in present:
        print_note(f"{name:<{width}}  {path:<{long}}  {remark}".rstrip())


def duration(seconds: float) -> str:
    """Format seconds as 0:07, 12:34 or 1:02:03."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
