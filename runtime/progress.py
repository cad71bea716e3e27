"""Progress of long work: a bar on a terminal or in a notebook, a line every ten seconds in a pipe or a file."""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress

from .duration import duration
from .notebook import Bar, is_notebook, training_bar

_SECONDS_BETWEEN_LINES = 10.0


class Progress:
    """Shows progress over `total` units of work on standard error; a context manager.

    The bar disappears at the end. In a pipe or a file, there is a line every ten seconds, and a last one if there was
    any. A training in a notebook has one bar for all its work.

    Args:
        task: the name of the work, at the start of the line.
        total: the number of units.
        unit: the name of a unit, in the plural: "images".
        done: units that were done before, as after a resume; they do not count for the rate.
        part: (i, n) if this is part i, from 0, of n equal parts of a training; None if it is not a part.
    """

    def __init__(self, task: str, total: int, unit: str, done: int = 0, part: tuple[int, int] | None = None) -> None:
        self._task, self._total, self._unit = task, total, unit
        self._done = self._done_before = done
        self._started = self._last_line = time.monotonic()
        self._note = ""
        self._lines = 0
        self._part = part
        self._notebook = (training_bar() or Bar()) if is_notebook() else None
        console = Console(stderr=True)
        self._bar: RichProgress | None = None
        if console.is_terminal:
            self._bar = RichProgress(
                TextColumn("{task.description}"),
                BarColumn(bar_width=None),
                MofNCompleteColumn(),
                TextColumn("{task.fields[rate]}  {task.fields[note]}"),
                TimeRemainingColumn(),
                console=console,
                transient=True,
            )
            self._row = self._bar.add_task(task, total=total, completed=done, rate="", note="")

    def __enter__(self) -> Progress:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._notebook is not None:
            if self._notebook is not training_bar():
                self._notebook.remove()
        elif self._bar is not None:
            self._bar.stop()
        elif kind is None and self._lines:
            self._print_line()

    def advance(self, count: int = 1, note: str = "") -> None:
        """Count `count` more units as done. `note`, such as the loss, stays until the next call."""
        self._done += count
        self._note = note or self._note
        if self._notebook is not None:
            self._show_in_notebook(self._notebook)
        elif self._bar is not None:
            self._bar.update(self._row, completed=self._done, rate=self._rate_text(), note=self._note)
        elif time.monotonic() - self._last_line >= _SECONDS_BETWEEN_LINES:
            self._print_line()

    def _show_in_notebook(self, bar: Bar) -> None:
        """Show the share of the whole training, or of this work if it is not part of one."""
        training = training_bar()
        if training is bar and self._part is None:
            return  # such as a validation, which is short
        number, parts = self._part or (0, 1)
        share = (number + self._done / max(1, self._total)) / parts
        remark = training.remark if training is not None else ""
        words = [self._task, self._note, remark, self._rate_text()]
        if (rate := self._rate()) and self._done < self._total * (parts - number):
            words.append(f"{duration((self._total * (parts - number) - self._done) / rate)} left")
        bar.show(share, " · ".join(word for word in words if word))

    def _print_line(self) -> None:
        self._last_line = time.monotonic()
        self._lines += 1
        parts = [self._task, f"{self._done:,}/{self._total:,} {self._unit}", self._rate_text(), self._note]
        rate = self._rate()
        if rate and self._done < self._total:
            parts.append(f"{duration((self._total - self._done) / rate)} left")
        with suppress(OSError):  # of a closed pipe or a full disk; the work goes on
            print("  ".join(part for part in parts if part), file=sys.stderr, flush=True)

    def _rate(self) -> float:
        return (self._done - self._done_before) / max(time.monotonic() - self._started, 1e-9)

    def _rate_text(self) -> str:
        rate = self._rate()
        return f"{rate:,.0f} {self._unit}/s" if rate >= 10 else f"{rate:.1f} {self._unit}/s"
