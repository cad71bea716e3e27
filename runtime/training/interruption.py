"""Signals that stop a training: the first one after the current step, the second one at once."""

from __future__ import annotations

import signal
import sys
from types import FrameType, TracebackType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)


class Interruption:
    """A context manager that records Ctrl-C, SIGTERM or SIGUSR1; it works in the main thread only.

    Attributes:
        signal: the signal that came, or None.
    """

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Interruption:
        self._before = {number: signal.signal(number, self._notice) for number in SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _notice(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        self.signal = signal.Signals(number)
        for each in SIGNALS:  # the next signal ends the process, whatever it does
            signal.signal(each, signal.SIG_DFL)
        print(
            f"{self.signal.name}: stopping after this step; a second signal ends at once", file=sys.stderr, flush=True
        )
