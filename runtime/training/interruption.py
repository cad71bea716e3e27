"""Signals that stop a training: the first one after the current step, the second one at once."""

from __future__ import annotations

import os
import signal
import sys
import threading
from contextlib import suppress
from types import FrameType, TracebackType
from typing import Any

_STANDARD_ERROR = 2  # a descriptor
SIGNALS: tuple[signal.Signals, ...]
if sys.platform == "win32":
    SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGBREAK)  # of Ctrl-Break
else:
    SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP)


class Interruption:
    """A context manager that records the first of `SIGNALS`; they only come to the main thread.

    Args:
        goes_on: whether this process has other work after the training, as a notebook has. Then the second signal does
            what it does without a training: Ctrl-C raises KeyboardInterrupt. Otherwise it ends the process.

    Attributes:
        signal: the signal that came, or None.
    """

    def __init__(self, goes_on: bool = False) -> None:
        self.signal: signal.Signals | None = None
        self._goes_on = goes_on
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Interruption:
        if threading.current_thread() is not threading.main_thread():
            return self
        self._before = {
            number: signal.signal(number, self._notice)
            for number in SIGNALS
            if not (number.name == "SIGHUP" and signal.getsignal(number) == signal.SIG_IGN)  # as `nohup` asks
        }
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _notice(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        self.signal = signal.Signals(number)
        for each, handler in self._before.items():  # the next signal ends the process, whatever it does
            signal.signal(each, handler if self._goes_on else signal.SIG_DFL)
        if self.signal.name == "SIGHUP":  # a terminal that closes may send several
            signal.signal(self.signal, signal.SIG_IGN)
        told = f"{self.signal.name}: stopping after this step; a second signal ends at once"
        with suppress(OSError):  # of a terminal that is gone
            try:
                print(told, file=sys.stderr, flush=True)
            except RuntimeError:  # the signal came while this stream was written to
                os.write(_STANDARD_ERROR, f"{told}\n".encode())
