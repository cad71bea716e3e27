"""Files that are whole or not there, whatever happens: written beside, synced, renamed."""

from __future__ import annotations

import hashlib
import io
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


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
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    return hashlib.sha256(content).hexdigest()


def write_array(path: Path, array: NDArray[np.int64]) -> str:
    """As `write_bytes`, in numpy's own format."""
    content = io.BytesIO()
    np.save(content, array, allow_pickle=False)
    return write_bytes(path, content.getvalue())
