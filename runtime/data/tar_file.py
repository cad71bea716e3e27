"""Lists the files in a tar file without unpacking it, in bounded time and memory."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from alexc.printable import printable

from ..errors import UserError

_LARGEST_HEADER = 1_000_000  # bytes; tarfile reads long names and attributes into memory


class Header(tarfile.TarInfo):
    """A header whose sizes are checked before tarfile reads or skips that many bytes."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        """Parse a block of 512 bytes.

        Raises:
            tarfile.ReadError: a size is negative, or that of a name or of attributes is too large.
        """
        header = super().frombuf(buf, encoding, errors)
        if header.size < 0:
            raise tarfile.ReadError(f"{header.name!r} has a negative size")
        if header.type not in tarfile.REGULAR_TYPES and header.size > _LARGEST_HEADER:
            raise tarfile.ReadError(f"the header {header.name!r} has {header.size:,} bytes")
        return header


def tar_members(path: Path, start: int = 0, end: int | None = None) -> Iterator[tuple[str, int, int]]:
    """Name, offset and size of each file in a tar file, or in a tar file within another one.

    Args:
        path: the file.
        start: where the tar file begins in it.
        end: where it ends; by default, at the end of the file.

    Raises:
        UserError: the file is damaged or no tar file.
    """
    with reading(path), path.open("rb") as file:
        last = os.fstat(file.fileno()).st_size if end is None else end
        file.seek(start)
        with tarfile.open(fileobj=file, mode="r:", tarinfo=Header) as archive:
            for member in in_order(archive, last):
                if member.isreg() and not member.issparse():
                    yield member.name, member.offset_data, member.size
            file.seek(archive.offset)  # check the end, because tarfile accepts anything as the end
            if file.read(tarfile.BLOCKSIZE) != tarfile.NUL * tarfile.BLOCKSIZE:
                raise tarfile.ReadError("it ends in the middle")


def in_order(archive: tarfile.TarFile, last: int) -> Iterator[tarfile.TarInfo]:
    """The members of an archive; each must lie behind the one before it.

    Raises:
        tarfile.ReadError: a member leads backwards, or beyond the offset `last`.
    """
    passed = -1
    while (member := archive.next()) is not None:
        archive.members.clear()  # type: ignore[attr-defined]  # or it would remember every one
        if member.size < 0 or member.offset_data <= passed:  # a later header can change the size of an earlier one
            raise tarfile.ReadError(f"{member.name!r} leads back to an earlier place")
        if member.offset_data + member.size > last:
            raise tarfile.ReadError(f"it ends in the middle of {member.name!r}")
        passed = member.offset_data
        yield member


@contextmanager
def reading(path: Path, kind: str = "tar file") -> Iterator[None]:
    """A context manager for code that parses an archive.

    Raises:
        UserError: in place of any exception: parsers raise almost any of them for broken headers.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        reason = error.strerror or error if isinstance(error, OSError) else error
        shown = printable(reason) if str(reason) else type(error).__name__
        raise UserError(f"{printable(path)} is damaged or no {kind} ({shown}): download it again") from None
