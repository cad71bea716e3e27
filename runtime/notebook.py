"""Progress in the output of a Jupyter cell: one bar, which is replaced in place."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from typing import Any

_SECONDS_BEFORE_THE_FIRST = 0.5
_SECONDS_BETWEEN_UPDATES = 0.2


def is_notebook() -> bool:
    """Whether this process is the kernel of a notebook, which can replace an output."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None and hasattr(ipython, "get_ipython") else None
    return getattr(shell, "kernel", None) is not None


class Bar:
    """A progress bar with a line of text and notes below it; work that takes less than half a second shows none."""

    def __init__(self) -> None:
        self._display: Any = None  # IPython is not typed
        self._next = time.monotonic() + _SECONDS_BEFORE_THE_FIRST
        self._notes: list[str] = []

    def show(self, share: float, text: str, now: bool = False) -> None:
        """Show how far the work is, 0..1; at most every 0.2 seconds, unless it must be `now`."""
        if not now and time.monotonic() < self._next:
            return
        self._next = time.monotonic() + _SECONDS_BETWEEN_UPDATES
        bar = f'<progress value="{share:.3f}" style="width: 16em; vertical-align: middle"></progress>'
        lines = [f"{bar} {escape(text)}", *map(escape, self._notes)]
        self._replace({"text/html": f"<div>{'<br>'.join(lines)}</div>", "text/plain": "\n".join([text, *self._notes])})

    def note(self, text: str) -> None:
        """Show a line below the bar, from the next `show` on."""
        self._notes += [text] if text else []

    def remove(self) -> None:
        """Show nothing any more."""
        if self._display is not None:
            self._replace({"text/html": "", "text/plain": ""})

    def _replace(self, content: dict[str, str]) -> None:
        if self._display is not None:
            self._display.update(content, raw=True)
            return
        from IPython import display

        show: Any = display.display
        self._display = show(content, raw=True, display_id=True)


class TrainingBar(Bar):
    """The bar of a whole training; `remark` is what its last epoch reached."""

    remark = ""


_training: TrainingBar | None = None


def training_bar() -> TrainingBar | None:
    """The bar of the training under way in this notebook, which shows what a terminal gets as lines."""
    return _training


@contextmanager
def one_bar() -> Iterator[TrainingBar | None]:
    """In a notebook, show a training as one bar in the block; else yield None."""
    global _training  # noqa: PLW0603 - a process trains one network at a time
    if not is_notebook():
        yield None
        return
    before, _training = _training, TrainingBar()
    try:
        yield _training
    finally:
        _training = before
