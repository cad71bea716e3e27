"""Reads one image out of a file that holds many, in any process, without reading the rest.

The form of an image is a word and numbers:

    stored                      the bytes of an image file, as they are
    zipped METHOD SIZE CRC      an entry of a zip file from its local header on; SIZE bytes when unpacked
    pixels HEIGHT WIDTH BYTES   raw pixels, row by row; 1 or 3 bytes each
    planes CHANNELS HEIGHT WIDTH  raw pixels, channel by channel
    row GROUP NUMBER COLUMN     a row of a Parquet file
    unusable REASON             listed, but known to be no image

Raw pixels become a file of the format PGM or PPM, so that they are decoded, counted and compared as any other image.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from .decode import LARGEST_FILE
from .decoding_work import BadImage
from .parquet_rows import image_of_row

STORED = "stored"
_LOCAL_HEADER = struct.Struct("<4s2xHH16xHH")  # signature, flags, method, lengths of name and of extra
_ENCRYPTED = 1
_STORED, _DEFLATED = 0, 8  # methods of zip files


def packed_image(archive: Path, offset: int, size: int, form: str) -> bytes:
    """The bytes of an image file.

    Args:
        archive: the file that holds it.
        offset: where its bytes begin.
        size: their number in the archive.
        form: see above.

    Raises:
        BadImage: it cannot be read, is damaged, or is larger than `LARGEST_FILE`.
    """
    kind, *values = form.split(" ", 3)
    if kind == "unusable":
        raise BadImage(form.removeprefix("unusable "))
    if kind == "row":
        return image_of_row(archive, int(values[0]), int(values[1]), values[2])
    if kind == "zipped":
        return _unzipped(archive, offset, size, form)
    content = read_part(archive, offset, size)
    return content if kind == STORED else _PIXELS[kind](content, *map(int, values))


def read_part(path: Path, offset: int, size: int) -> bytes:
    """The bytes of a file in an archive, from `offset` on, with the same bounds as `read_file`.

    Raises:
        BadImage: it cannot be read, is empty, too large or cut off.
    """
    if size > LARGEST_FILE:
        raise BadImage(f"a file of {size:,} bytes; at most {LARGEST_FILE:,} are read")
    if not size:
        raise BadImage("an empty file")
    try:
        with path.open("rb") as file:
            file.seek(offset)
            content = file.read(size)
    except OSError as error:
        raise BadImage(f"cannot be read: {(error.strerror or str(error)).lower()}") from None
    if len(content) < size:
        raise BadImage("the archive ends in the middle of it")
    return content


def start_of_entry(archive: Path, offset: int, form: str) -> tuple[int, bool]:
    """Where the bytes of an entry of a zip file begin, and whether they are deflated.

    Raises:
        BadImage: there is no such entry, or it is packed in a way that is not read.
    """
    method = int(form.split(" ")[1])
    signature, flags, found, name, extra = _LOCAL_HEADER.unpack(read_part(archive, offset, _LOCAL_HEADER.size))
    if signature != b"PK\3\4" or found != method:
        raise BadImage("damaged: the archive has no such file where it says")
    if flags & _ENCRYPTED:
        raise BadImage("encrypted")
    if method not in (_STORED, _DEFLATED):
        raise BadImage(f"compressed by method {method} of zip files; stored and deflated ones are read")
    return offset + _LOCAL_HEADER.size + name + extra, method == _DEFLATED


def _unzipped(archive: Path, offset: int, size: int, form: str) -> bytes:
    start, deflated = start_of_entry(archive, offset, form)
    unpacked, crc = map(int, form.split(" ")[2:])
    if unpacked > LARGEST_FILE:
        raise BadImage(f"a file of {unpacked:,} bytes; at most {LARGEST_FILE:,} are read")
    content = read_part(archive, start, size)
    if deflated:
        try:
            content = zlib.decompressobj(-zlib.MAX_WBITS).decompress(content, unpacked + 1)
        except zlib.error as error:
            raise BadImage(f"damaged: {error}") from None
    if len(content) != unpacked or zlib.crc32(content) != crc:
        raise BadImage("damaged: its content is not what was packed")
    return content


def _of_pixels(content: bytes, height: int, width: int, channels: int) -> bytes:
    return b"P%d\n%d %d\n255\n" % (5 if channels == 1 else 6, width, height) + content


def _of_planes(content: bytes, channels: int, height: int, width: int) -> bytes:
    planes = np.frombuffer(content, np.uint8).reshape(channels, height, width)
    return _of_pixels(planes.transpose(1, 2, 0).tobytes(), height, width, channels)


_PIXELS: dict[str, Callable[..., bytes]] = {"pixels": _of_pixels, "planes": _of_planes}
