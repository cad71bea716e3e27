"""Files that are whole or not there, whatever happens: written beside, synced, renamed."""

from __future__ import annotations

import errno
import hashlib
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from alexc.runtime.errors import UserError
from alexc.runtime.printable import printable


@contextmanager
def writing(path: Path, remedy: str) -> Iterator[None]:
    """A block that writes `path`; when the disk is full or refuses, that is told, and `remedy` with it.

    Raises:
        UserError: in place of an OSError.
    """
    try:
        yield
    except OSError as error:
        raise UserError(f"{printable(path)} could not be written ({why_not_written(error)}); {remedy}") from error


def why_not_written(error: OSError) -> str:
    """What was in the way, and what to do about it."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "the disk is full: make room"
    return f"{error.strerror or error}: make it writable"


def sync_folder(folder: Path) -> None:
    """Make the folder's entries durable: a new or renamed file survives a power cut only after this."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_bytes(path: Path, content: bytes) -> str:
    """Write a file whole or not at all, synced to disk; returns its SHA-256."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return hashlib.sha256(content).hexdigest()


def write_array(path: Path, array: NDArray[np.int64]) -> str:
    """As `write_bytes`, in numpy's own format."""
    content = io.BytesIO()
    np.save(content, array, allow_pickle=False)
    return write_bytes(path, content.getvalue())
