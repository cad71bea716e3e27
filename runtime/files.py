"""Writes files atomically, never over files of others, and reads only files that end."""

from __future__ import annotations

import errno
import glob
import hashlib
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from alexc import git_lfs
from alexc.printable import printable

from .errors import UserError

_LARGEST_POINTER = 1024  # bytes; Git LFS takes no larger file for a pointer
_HEAD_BYTES = 2000  # the part of a file in which `check_overwritable` looks for the mark
_ANOTHER_NAME = ", or name another file with --out"


class AtomicFile:
    """A file that is written in pieces. It appears at `path`, synced to disk, when the block ends without an error.

    Until then, and after an error, `path` has its old content.

    Args:
        path: the file.
        mode: its permission bits; by default those of any new file.
    """

    def __init__(self, path: Path, mode: int | None = None) -> None:
        self._path = path
        _remove_leftovers(path)
        self._temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
        self._file = self._temporary.open("wb")
        self._hash = hashlib.sha256()
        if mode is not None:
            self._temporary.chmod(mode)

    def __enter__(self) -> AtomicFile:
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

    def write(self, content: bytes | memoryview) -> int:
        """Append; returns the number of bytes."""
        self._hash.update(content)
        return self._file.write(content)


def _remove_leftovers(path: Path) -> None:
    """Remove what processes that were killed while they wrote `path` have left."""
    for left_over in path.parent.glob(f"{glob.escape(path.name)}.*.tmp"):
        process = left_over.name[len(path.name) + 1 : -len(".tmp")]
        if process.isdecimal() and not _is_running(int(process)):
            with suppress(OSError):
                left_over.unlink()


def _is_running(process: int) -> bool:
    """Whether the process may still write its file. Windows itself keeps files that a process has open."""
    if sys.platform == "win32":  # os.kill would end the process, or send it Ctrl-C
        return process == os.getpid()
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # of another user, or no process number
        return True
    return True


def write_bytes(path: Path, content: bytes, mode: int | None = None) -> str:
    """Write a file atomically; returns its SHA-256."""
    with AtomicFile(path, mode) as file:
        file.write(content)
    return file.sha256


def write_text(path: Path, text: str, mode: int | None = None) -> None:
    """Write a text atomically; line ends stay as they are in `text`.

    Raises:
        UserError: the file cannot be written.
    """
    try:
        write_bytes(path, text.encode(), mode)
    except OSError as error:
        raise write_error(path, error) from None


def write_new(out: Path, content: bytes) -> None:
    """Write a file that `check_new` has passed.

    Raises:
        UserError: it cannot be written.
    """
    try:
        write_bytes(out, content)
    except OSError as error:
        raise write_error(out, error, _ANOTHER_NAME) from None


def sync_folder(folder: Path) -> None:
    """Make the folder's entries durable: a new or renamed file survives a power cut only after this.

    Windows cannot open a folder.
    """
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def writing(path: Path, remedy: str) -> Iterator[None]:
    """A context manager for code that writes `path`.

    Raises:
        UserError: in place of an OSError; the message ends with `remedy`.
    """
    try:
        yield
    except OSError as error:
        raise write_error(path, error, f"; {remedy}") from error


def write_error(path: Path, error: OSError, more: str = "") -> UserError:
    """The error for a path that cannot be written: `X cannot be written (the disk is full): make room`, then `more`."""
    reason, step = reason_and_step(path, error)
    return UserError(f"{printable(path)} cannot be written ({reason}): {step}{more}")


def read_error(path: Path, error: OSError) -> UserError:
    """The error for a path that cannot be read: `X cannot be read: Permission denied`."""
    return UserError(f"{printable(path)} cannot be read: {error.strerror or printable(error)}")


def reason_and_step(path: Path, error: OSError) -> tuple[str, str]:
    """Why `path` cannot be written, and what to do about it."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "the disk is full", "make room"
    reason = (error.strerror or str(error)).lower()
    if not path.parent.exists():
        return reason, f"make the folder {printable(path.parent)}"
    return reason, "make it writable"


def check_new(out: Path, option: str = "--out") -> None:
    """Check that nothing is at `out`, and that its folder exists.

    Args:
        out: the file.
        option: the option of the command that names it.

    Raises:
        UserError: one of the two does not hold.
    """
    if out.exists():
        raise UserError(f"{printable(out)} is already there: move it away, or name another file with {option}")
    if not out.parent.is_dir():
        missing = FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        raise write_error(out, missing, f", or name another file with {option}")


def check_overwritable(target: Path, mark: str, remedy: str) -> None:
    """Check that `target` does not exist, or was made by alexc: a file with `mark` near its beginning, not a link.

    Raises:
        UserError: it may not be overwritten.
    """
    if target.is_symlink() or (target.exists() and not _is_marked(target, mark)):
        raise UserError(f"{printable(target)}: exists and was not made by alexc; move it away, or {remedy}")


def _is_marked(target: Path, mark: str) -> bool:
    if not target.is_file():
        return False
    try:
        with target.open("rb") as file:
            return mark in file.read(_HEAD_BYTES).decode("utf-8", "replace")
    except OSError:
        return False  # a file that cannot be read is not known to be alexc's


def open_regular(path: Path) -> BinaryIO:
    """Open a file for reading; never waits, even if another process replaces it by a pipe just now.

    Raises:
        OSError: it cannot be opened, or is a pipe, a device or a folder.
    """
    file = open(path, "rb", opener=lambda name, flags: os.open(name, flags | getattr(os, "O_NONBLOCK", 0)))  # noqa: SIM115 - `Path.open` has no opener
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(errno.EINVAL, "it is not a file")
    return file


def require_regular_file(path: Path) -> None:
    """Check that reading `path` ends: a pipe may wait for a writer for ever, /dev/zero never stops.

    Folders pass: whatever opens them reports them.

    Raises:
        OSError: the file does not exist, is a pipe or a device, or a pointer of Git LFS.
    """
    status = path.stat()
    if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
        raise OSError(errno.EINVAL, "it is a pipe or a device, not a file")
    if stat.S_ISREG(status.st_mode) and status.st_size < _LARGEST_POINTER:
        with path.open("rb") as file:
            if file.read(len(git_lfs.START)) == git_lfs.START:
                raise OSError(errno.EINVAL, git_lfs.IS_POINTER)
