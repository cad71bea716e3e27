"""Follows the metrics of a run while a training writes them, from any process, without a change to the folder."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

from ..files import open_regular
from .course import Course
from .metrics import ENDINGS, record_in

CHUNK = 1 << 18  # bytes
_LONGEST_LINE = CHUNK  # a longer one is left out
_END = 4096  # bytes that hold the last line
_TAIL = 256  # bytes before the position, which tell whether the file is still the same


class GrowingMetrics:
    """The course of a run whose metrics grow.

    Each call of `read` reads what is new. A last line without its end is left for the next call. Lines that training
    does not write are counted and left out.

    Args:
        path: the JSON lines file; it may be missing.

    Attributes:
        course: what the records so far amount to.
        damaged: the number of lines that were left out.
        read_bytes: the number of bytes of the lines so far.
        unread: the number of bytes after them.
        written: when the file was last written, in seconds since 1970; None if it is missing.
    """

    course: Course
    damaged: int
    read_bytes: int
    unread: int
    written: float | None
    _ending: Mapping[str, Any] | None
    _identity: tuple[int, int] | None

    def __init__(self, path: Path) -> None:
        self._path = path
        self.start_again()

    def read(self, until: float = math.inf) -> None:
        """Read what is new, until this time of `time.monotonic`. What remains is `unread`."""
        try:
            with open_regular(self._path) as file:
                status = os.fstat(file.fileno())
                identity = (status.st_dev, status.st_ino)
                if not self._goes_on(file, identity, status.st_size):
                    self.start_again()
                self._identity, self.written = identity, status.st_mtime
                is_more = True
                while is_more and time.monotonic() < until:
                    file.seek(self.read_bytes)
                    is_more = self._add(file.read(CHUNK)) > 0
                self.unread = max(0, status.st_size - self.read_bytes)
                self._ending = self._last_record(file) if is_more else self.course.ending
        except OSError:  # also of a folder that has just disappeared
            self.start_again()

    @property
    def ending(self) -> Mapping[str, Any] | None:
        """The last record, if it says how the training ended; known before all lines before it are read."""
        return self._ending if self._ending is not None and self._ending["kind"] in ENDINGS else None

    def start_again(self) -> None:
        """Forget all that was read."""
        self.course = Course()
        self.damaged = self.read_bytes = self.unread = 0
        self.written = None
        self._tail = b""
        self._identity = None
        self._in_long_line = False
        self._ending = None

    def _goes_on(self, file: BinaryIO, identity: tuple[int, int], size: int) -> bool:
        """Whether the file is the one of the last call, with more lines: a training that resumes cuts some off."""
        if self._identity is None:
            return True
        if identity != self._identity or size < self.read_bytes:
            return False
        file.seek(self.read_bytes - len(self._tail))
        return file.read(len(self._tail)) == self._tail

    def _last_record(self, file: BinaryIO) -> Mapping[str, Any] | None:
        """The record in the last complete line."""
        file.seek(0, os.SEEK_END)
        file.seek(max(0, file.tell() - _END))
        lines = file.read(_END).split(b"\n")
        try:
            return record_in(lines[-2])
        except (ValueError, RecursionError, IndexError):
            return None

    def _add(self, chunk: bytes) -> int:
        """Count the complete lines of a chunk; returns their length."""
        end = chunk.rfind(b"\n") + 1
        if not end and len(chunk) >= _LONGEST_LINE:
            self.damaged += not self._in_long_line
            self._in_long_line, end = True, len(chunk)
        elif end:
            lines = chunk[:end].split(b"\n")[:-1]
            for line in lines[1:] if self._in_long_line else lines:
                self._add_line(line)
            self._in_long_line = False
        self.read_bytes += end
        self._tail = (self._tail + chunk[:end])[-_TAIL:]
        return end

    def _add_line(self, line: bytes) -> None:
        try:
            record = record_in(line)
        except (ValueError, RecursionError):
            record = None
        if record is None or not self.course.add(record):
            self.damaged += 1
