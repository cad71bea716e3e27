"""Checkpoint files: tensors and plain values, written atomically, with a hash that detects any damage.

`torch.save` writes a checkpoint, and `torch.load(path, weights_only=True)` can read it. The file is a ZIP archive. Its
comment, at the very end of the file, holds the SHA-256 of everything before it.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, cast

import torch

from alexc.printable import printable, shell_line

from ..errors import UserError
from ..files import AtomicFile, require_regular_file, sync_folder, write_error
from ..torch_archive import UnreadableArchive, load_archive

_LABEL = b"alexc sha256 "
_COMMENT_BYTES = len(_LABEL) + 64
_END = _COMMENT_BYTES.to_bytes(2, "little") + _LABEL  # a ZIP archive ends with its comment


class DamagedCheckpoint(Exception):  # noqa: N818 - a finding about a file; the caller falls back or reports it
    """The file is damaged or not a checkpoint; the message says how that was detected."""


def save_checkpoint(path: Path, content: Mapping[str, Any]) -> None:
    """Write a checkpoint. `path` always has either the old or the new checkpoint, complete.

    Raises:
        UserError: the disk is full or cannot be written; the old checkpoint stays.
    """
    try:
        for leftover in path.parent.glob(f"{path.name}.*.tmp"):  # of a killed process: the folder is locked
            leftover.unlink(missing_ok=True)
        with AtomicFile(path) as file:
            _write(file, content)
        sync_folder(path.parent)
    except (OSError, RuntimeError) as error:
        raise _not_saved(path, error) from error


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint onto the CPU, without running code from it.

    Raises:
        DamagedCheckpoint: the file is missing, cut off, changed, or not a checkpoint.
    """
    try:
        require_regular_file(path)
        content = path.read_bytes()
    except OSError as error:
        raise DamagedCheckpoint(error.strerror or "cannot be read") from None
    archive, stated = memoryview(content)[: -len(_END) - 64], content[-64:]
    if content[len(archive) : -64] != _END:
        raise DamagedCheckpoint("it is cut off, or not a checkpoint of alexc" if content else "it is empty")
    if hashlib.sha256(archive).hexdigest().encode() != stated:
        raise DamagedCheckpoint("its content is not what was written")
    try:
        loaded = load_archive(io.BytesIO(content))
    except UnreadableArchive as reason:
        raise DamagedCheckpoint(f"torch cannot read it {reason}") from None
    if not isinstance(loaded, dict):
        raise DamagedCheckpoint("it holds no table of values")
    return loaded


def _write(file: AtomicFile, content: Mapping[str, Any]) -> None:
    tail = _WithoutTail(file)
    try:
        torch.save(dict(content), cast("IO[bytes]", tail))  # torch.save needs only these two methods of a file
    except RuntimeError as error:
        raise tail.failure or error from None  # torch replaces the OSError of a failed write
    if tail.rest != b"\0\0":
        raise RuntimeError("torch.save no longer ends a file with an empty ZIP comment")
    file.write(_END + file.sha256.encode())


class _WithoutTail:
    """Writes to a file everything except the last two bytes, which are the length of the ZIP comment."""

    def __init__(self, file: AtomicFile) -> None:
        self.rest = b""
        self.failure: OSError | None = None
        self._file = file

    def write(self, data: Any) -> int:  # noqa: ANN401 - any buffer
        content = memoryview(data).cast("B")
        if len(content) >= 2:
            self._pass_on(self.rest)
            self._pass_on(content[:-2])
            self.rest = bytes(content[-2:])
        else:
            known = self.rest + content
            self._pass_on(known[:-2])
            self.rest = known[-2:]
        return len(content)

    def flush(self) -> None:
        """Nothing: the file is synced when it is complete."""

    def _pass_on(self, content: bytes | memoryview) -> None:
        try:
            self._file.write(content)
        except OSError as error:
            self.failure = error
            raise


def _not_saved(path: Path, error: Exception) -> UserError:
    if not path.parent.exists():
        return UserError(
            f"{printable(path.parent)} was deleted or moved while it was in use: nothing can be saved there; put it "
            "back and continue with --resume, or train again"
        )
    more = f", then continue with --resume {shell_line(path.parent)}; the checkpoints before it are intact"
    return write_error(path, error if isinstance(error, OSError) else OSError(str(error).splitlines()[0]), more)
