"""Signals that ask a training to stop: the first lets it finish its step, the second ends it at once."""

from __future__ import annotations

import signal
import sys
from types import FrameType, TracebackType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)


class Interruption:
    """Notices Ctrl-C, SIGTERM and SIGUSR1 while it is entered; for the main thread.

    Attributes:
        signal: the one that came, or None.
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
        for each in SIGNALS:  # the system itself ends the process at the next one, whatever it is busy with
            signal.signal(each, signal.SIG_DFL)
        print(f"{self.signal.name}: stopping after this step; once more ends at once", file=sys.stderr, flush=True)
