"""A file of a source: on disk or in a zip or tar file, perhaps compressed; read in place, or unpacked for a while."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import shutil
import zlib
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from alexc.printable import printable

from ..bytes_text import bytes_text
from ..errors import UserError
from ..progress import Progress
from ..temporary_folder import temporary_folder
from .decoding_work import BadImage
from .memory_limit import memory_limit
from .packed_image import STORED, start_of_entry
from .tar_file import reading

HEAD = 1024  # bytes that tell what a file holds; a tar file's first header has 512
_BLOCK = 1 << 20
_MEMORY = 1 << 30  # bytes for a decompressor
_MOST_TIMES_LARGER = 200  # an unpacked file may be this much larger than the packed one, plus a gibibyte
_SPARE_ROOM = 1 << 28  # bytes of the disk that stay free
_DECOMPRESSORS: tuple[tuple[bytes, Callable[[io.BufferedReader], io.BufferedIOBase]], ...] = (
    (b"\x1f\x8b", lambda file: gzip.GzipFile(fileobj=file)),
    (b"BZh", bz2.BZ2File),
    (b"\xfd7zXZ\0", lzma.LZMAFile),
)


@dataclass(frozen=True)
class PackedFile:
    """A file of a source.

    Attributes:
        path: relative to the source, with `/`.
        disk: the file on disk that has its bytes.
        archive: the same, as `SourceFile.archive` has it.
        mtime: when `disk` was changed, ns.
        offset: where it begins in `disk`.
        size: the number of its bytes in `disk`.
        form: `STORED`, or that of an entry of a zip file.
    """

    path: str
    disk: Path
    archive: str
    mtime: int
    offset: int
    size: int
    form: str = STORED

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]

    def open(self) -> io.BufferedReader:
        """The content, to be read from its beginning.

        Raises:
            BadImage: there is no such entry in the zip file.
            OSError: it cannot be read.
        """
        if self.form == STORED:
            return io.BufferedReader(_Part(self.disk, self.offset, self.size))
        start, deflated = start_of_entry(self.disk, self.offset, self.form)
        part = _Part(self.disk, start, self.size)
        return io.BufferedReader(_Inflated(part) if deflated else part)

    @property
    def is_compressed(self) -> bool:
        """Whether the file itself is compressed, as `.gz` files are."""
        try:
            with self.open() as file:
                return _decompressed(file) is not None
        except (BadImage, OSError, EOFError, zlib.error):
            return False

    @cached_property
    def head(self) -> bytes:
        """The first `HEAD` bytes, of the content if it is compressed; what can be read of them."""
        try:
            with memory_limit(_MEMORY), self.open() as file:
                inside = _decompressed(file)
                return (inside or file).read(HEAD)
        except (BadImage, OSError, EOFError, zlib.error, lzma.LZMAError, MemoryError, ValueError):
            return b""


class UnpackedFiles:
    """Unpacks compressed files into a temporary folder, which is made when it is needed.

    Args:
        stack: closes the folder.
    """

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._folder: Path | None = None
        self._plain: dict[PackedFile, PackedFile] = {}

    def plain(self, file: PackedFile) -> PackedFile:
        """The same content, uncompressed on disk.

        Raises:
            UserError: the file is damaged, unpacks to far more than its size, or the disk is full.
        """
        if file not in self._plain:
            with memory_limit(_MEMORY), reading(file.disk, "archive"), file.open() as packed:
                inside = _decompressed(packed)
                compressed = inside is not None or file.form != STORED
                self._plain[file] = self._copied(file, inside or packed, packed.raw) if compressed else file
        return self._plain[file]

    def _copied(self, file: PackedFile, content: io.BufferedIOBase, packed: object) -> PackedFile:
        if self._folder is None:
            self._folder = self._stack.enter_context(temporary_folder())
        target = self._folder / str(len(self._plain))
        with target.open("wb") as output, Progress(f"unpack {printable(file.name)}", file.size >> 20, "MB") as progress:
            size, done, most = 0, 0, _MOST_TIMES_LARGER * file.size + (1 << 30)
            while block := content.read(_BLOCK):
                size += len(block)
                _check_room(file, target.parent, size, most)
                try:
                    output.write(block)
                except OSError:  # a quota, or another program filled the disk
                    raise _no_room(file) from None
                passed = (file.size - _left(packed)) >> 20
                progress.advance(passed - done)
                done = passed
        return replace(file, disk=target, archive=str(target), offset=0, size=size, form=STORED)


class _Part(io.RawIOBase):
    """The bytes of a file between two offsets."""

    def __init__(self, path: Path, offset: int, size: int) -> None:
        self._file, self.left = path.open("rb"), size
        self._file.seek(offset)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        content = self._file.read(min(len(buffer), self.left))
        self.left -= len(content)
        buffer[: len(content)] = content
        return len(content)

    def close(self) -> None:
        self._file.close()
        super().close()


class _Inflated(io.RawIOBase):
    """The content of a deflated entry of a zip file."""

    def __init__(self, packed: _Part) -> None:
        self.packed, self._inflater = packed, zlib.decompressobj(-zlib.MAX_WBITS)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        while not self._inflater.eof:
            packed = self._inflater.unconsumed_tail or self.packed.read(_BLOCK)
            content = self._inflater.decompress(packed or b"", len(buffer))
            if content:
                buffer[: len(content)] = content
                return len(content)
            if not packed:
                raise EOFError("it ends in the middle")
        return 0

    def close(self) -> None:
        self.packed.close()
        super().close()


def _decompressed(file: io.BufferedReader) -> io.BufferedIOBase | None:
    """The content of a compressed file; None for others."""
    start = file.peek(8)
    return next((new(file) for mark, new in _DECOMPRESSORS if start.startswith(mark)), None)


def _left(packed: object) -> int:
    """The bytes of a packed file that were not read yet."""
    part = packed.packed if isinstance(packed, _Inflated) else packed
    assert isinstance(part, _Part)
    return part.left


def _check_room(file: PackedFile, folder: Path, size: int, most: int) -> None:
    if size > most:
        raise UserError(f"{printable(file.disk)} unpacks to over {bytes_text(most)}, as decompression bombs do")
    if shutil.disk_usage(folder).free < _SPARE_ROOM:
        raise _no_room(file)


def _no_room(file: PackedFile) -> UserError:
    return UserError(
        f"the temporary folder has too little room to unpack {printable(file.disk)}: unpack it yourself, or "
        "name a larger folder by the environment variable TMPDIR"
    )
