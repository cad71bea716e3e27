"""What a training prints to standard output: a header, a line per epoch, and the paths of its files.

In a notebook, the bar of the training shows the newest epoch and the notes in place of these lines.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path

from alexc.printable import printable
from alexc.table import listed
from alexc.terminal import print_message, terminal_width

from ..duration import duration
from ..notebook import training_bar
from .epoch_metrics import EpochMetrics, loss_text

_COLUMNS = {
    "epoch": 5,
    "loss": 8,
    "train err": 9,
    "val err": 7,
    "top-5 err": 9,
    "rate": 8,
    "images/s": 9,
    "time": 8,
}
_SPARE = ("rate", "images/s", "time", "top-5 err")  # what a narrow terminal leaves out first


def print_header(rows: Sequence[tuple[str, str]], notes: Sequence[str], top5: bool) -> None:
    """Print the settings of the training, and the column names of the lines that follow.

    Args:
        rows: names and values.
        notes: lines below them.
        top5: whether the lines have the top-5 error.
    """
    if training_bar() is not None:
        for note in notes:
            print_note(note)
        return
    for line in listed([(name, printable(value)) for name, value in rows], terminal_width()):
        print_note(line)
    for note in notes:
        print_note(note)
    print_note("")
    print_note(_line({name: name for name in _COLUMNS}, top5))


def print_epoch(
    epoch: int, metrics: EpochMetrics, rate: float, images_per_second: float, seconds: float, top5: bool
) -> None:
    """Print the line of an epoch."""
    if (bar := training_bar()) is not None:
        bar.remark = f"validation error {metrics.val_error:.1%}"
        return
    cells = {
        "epoch": str(epoch),
        "loss": loss_text(metrics.train_loss),
        "train err": f"{metrics.train_error:.1%}",
        "val err": f"{metrics.val_error:.1%}",
        "top-5 err": f"{metrics.val_top5_error:.1%}",
        "rate": f"{rate:.3g}",
        "images/s": f"{images_per_second:,.1f}",
        "time": duration(seconds),
    }
    print_note(_line(cells, top5))


def _line(cells: Mapping[str, str], top5: bool) -> str:
    return "  ".join(cells[name].rjust(_COLUMNS[name]) for name in _shown_columns(top5))


@cache  # the header and all lines have the same columns, also if the terminal is made narrower
def _shown_columns(top5: bool) -> list[str]:
    shown = [name for name in _COLUMNS if top5 or name != "top-5 err"]
    for name in _SPARE:
        if (terminal_width() or 80) >= sum(_COLUMNS[each] + 2 for each in shown) - 2:
            break
        shown = [each for each in shown if each != name]
    return shown


def print_note(text: str) -> None:
    """Print a line for the user.

    If standard output cannot be written, such as a pipe that was closed or a file on a full disk, this process gets
    SIGTERM: a training saves and ends, instead of failing between two steps.
    """
    if (bar := training_bar()) is not None:
        bar.note(text)
        return
    try:
        print_message(text, sys.stdout, flush=True)
    except OSError as error:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - until this process ends
        with suppress(OSError):
            print_message(f"error: standard output cannot be written ({error.strerror})", flush=True)
        signal.raise_signal(signal.SIGTERM)


def print_files(rows: Sequence[tuple[str, Path, str]]) -> None:
    """Print the files that exist: name, path, and a remark."""
    if training_bar() is not None:
        return
    present = [(name, printable(path), remark) for name, path, remark in rows if path.exists()]
    long = max((len(path) for _, path, _ in present), default=0)
    print_note("")
    shown = [(name, f"{path:<{long}}  {remark}".rstrip()) for name, path, remark in present]
    for line in listed(shown, terminal_width()):
        print_note(line)
