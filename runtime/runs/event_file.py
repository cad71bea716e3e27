"""An event file for TensorBoard, written in the calling thread.

The writer that TensorBoard brings writes in a thread of its own, where a full disk ends in a traceback on the terminal.
"""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event, SessionLog  # type: ignore[import-untyped]
from tensorboard.compat.proto.summary_pb2 import Summary  # type: ignore[import-untyped]
from tensorboard.summary.writer.record_writer import RecordWriter  # type: ignore[import-untyped]

_VERSION = "brain.Event:2"


class EventFile:
    """Appends values to a new event file; every method raises OSError when it cannot be written.

    Args:
        folder: where it is made; of several event files TensorBoard shows all.
        step: the step that the training goes on from: TensorBoard hides what other files tell of later ones.
    """

    def __init__(self, folder: Path, step: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        name = f"events.out.tfevents.{time.time_ns():019d}.{socket.gethostname()}.{os.getpid()}"
        self._file = (folder / name).open("wb")
        self._records = RecordWriter(self._file)
        self._write(Event(wall_time=time.time(), file_version=_VERSION))
        if step:
            session = SessionLog(status=SessionLog.START)
            self._write(Event(wall_time=time.time(), step=step + 1, session_log=session))

    def add(self, tag: str, value: float, step: int) -> None:
        """Add a value of a curve."""
        summary = Summary(value=[Summary.Value(tag=tag, simple_value=value)])
        self._write(Event(wall_time=time.time(), step=step, summary=summary))

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _write(self, event: Event) -> None:
        self._records.write(event.SerializeToString())
        self._file.flush()
