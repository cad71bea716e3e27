"""Files and bytes to the text of a spec."""

from __future__ import annotations

import errno
import stat
from pathlib import Path

from alexc import git_lfs

from .diagnostics import Diagnostic
from .source import Source, Span

LARGEST_FILE = 2**24  # bytes; a spec of 100,000 layers takes a third of them


def read_source(path: Path, name: str) -> tuple[Source, list[Diagnostic]]:
    """Read a file as text. If it is not the text of a spec, the source is empty and a diagnostic says why.

    Args:
        path: the file.
        name: the file's name in messages.

    Raises:
        OSError: the file cannot be opened or read, or is a pipe or a device.
    """
    mode = path.stat().st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):  # reading a pipe or a device could wait or go on forever
        raise OSError(errno.EINVAL, "it is a pipe or a device, not a file")
    with path.open("rb") as file:
        return decode_source(file.read(LARGEST_FILE + 1), name, path)


def decode_source(data: bytes, name: str, path: Path | None) -> tuple[Source, list[Diagnostic]]:
    """Decode the bytes of a file, as `read_source` does."""
    text = ""
    if len(data) > LARGEST_FILE:
        message = f"the file is larger than {LARGEST_FILE:,} bytes, the limit for a spec"
    elif data.startswith(git_lfs.START):
        message = git_lfs.IS_POINTER
    else:
        try:
            text = data.decode("utf-8-sig")
            message = "the file contains a zero byte, so it is not text" if "\0" in text else ""
        except UnicodeDecodeError as error:
            message = f"the file is not UTF-8 text: byte {error.start} is {data[error.start]:#04x}"
    source = Source(name, "" if message else text, path)
    return source, [Diagnostic("E0102", message, Span(source, 0, 0))] if message else []
