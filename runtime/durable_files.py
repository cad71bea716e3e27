"""Files that are whole or not there, whatever happens: written beside, synced, renamed."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from alexc.runtime.not_written import not_written


@contextmanager
def writing(path: Path, remedy: str) -> Iterator[None]:
    """A block that writes `path`; when the disk is full or refuses, that is told, and `remedy` with it.

    Raises:
        UserError: in place of an OSError.
    """
    try:
        yield
    except OSError as error:
        raise not_written(path, error, f"; {remedy}") from error


def sync_folder(folder: Path) -> None:
    """Make the folder's entries durable: a new or renamed file survives a power cut only after this."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class NewFile:
    """A file that is written in pieces, and is there, synced to disk, once the block has ended well.

    Args:
        path: where it will lie.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
        self._file = self._temporary.open("wb")
        self._hash = hashlib.sha256()

    def __enter__(self) -> NewFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            with self._file as file:
                if kind is None:
                    file.flush()
                    os.fsync(file.fileno())
            if kind is None:
                self._temporary.replace(self._path)
        finally:
            self._temporary.unlink(missing_ok=True)

    @property
    def sha256(self) -> str:
        """The hash of what was written so far."""
        return self._hash.hexdigest()

    def write(self, content: bytes) -> int:
        """Append; returns how many bytes it were."""
        self._hash.update(content)
        return self._file.write(content)


def write_bytes(path: Path, content: bytes) -> str:
    """Write a file whole or not at all, synced to disk; returns its SHA-256."""
    with NewFile(path) as file:
        file.write(content)
    return file.sha256


def write_array(path: Path, array: NDArray[np.int64] | NDArray[np.uint32]) -> str:
    """As `write_bytes`, in numpy's own format."""
    content = io.BytesIO()
    np.save(content, array, allow_pickle=False)
    return write_bytes(path, content.getvalue())
