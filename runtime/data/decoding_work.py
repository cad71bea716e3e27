"""Refuses images that would take far more time or memory to decode than others of their size."""

from __future__ import annotations

import io
import struct

from PIL import Image

from .plain_jpeg import MOST_SCANS, Markers, markers_of

LARGEST_PIXELS = 100_000_000
_MOST_SCANNED_PIXELS = 20 * LARGEST_PIXELS  # pixels times scans of a JPEG: about ten seconds
MOST_READS = 2_000_000  # a GIF of `LARGEST_PIXELS` needs half of them
LARGEST_TEXT = 25_000_000  # bytes of an image whose pixels are decimal numbers: about ten seconds
_MOST_VALUES = 500_000  # of a TIFF tag; an image of `LARGEST_PIXELS` in tiles of 16 x 16 has 390,625
_MOST_PROFILES = 10  # colour profiles of a PNG, which has at most one; each can unpack to a megabyte
_JPEG, _PNG, _TEXT = b"\xff\xd8", b"\x89PNG", (b"P1", b"P2", b"P3")
_TIFF_TILE_WIDTH, _TIFF_TILE_LENGTH = 322, 323
_TIFF_BYTES = (1, 2, 6, 7)  # types of tags that are not unpacked to a list of numbers


class BadImage(Exception):  # noqa: N818 - a finding about a file, which the caller counts
    """The file cannot be used as an image; the message is the reason, without the file's name."""


class CountedReads(io.BytesIO):
    """The bytes of a file. Pillow reads headers in tiny pieces, so their number bounds its work."""

    _reads = 0

    def read(self, size: int | None = -1, /) -> bytes:
        """The next bytes.

        Raises:
            BadImage: there were over `MOST_READS` reads.
        """
        self._reads += 1
        if self._reads > MOST_READS:
            raise BadImage("millions of tiny parts, which would take too long to decode")
        return super().read(size)


def check_content(content: bytes) -> Markers:
    """Check the bytes of a file before it is decoded.

    Returns:
        The markers of a JPEG. Other files count as one scan, which Pillow must decode.

    Raises:
        BadImage: it would take too much time or memory.
    """
    if content.startswith(_JPEG):
        markers = markers_of(content)
        if markers is None:
            raise BadImage(
                f"a JPEG with over {MOST_SCANS} scans or countless segments, which would take too long to decode"
            )
        return markers
    if content.startswith(_PNG) and content.count(b"iCCP") > _MOST_PROFILES:
        raise BadImage("a PNG with many colour profiles, as in a decompression bomb")
    if content.startswith(_TEXT) and len(content) > LARGEST_TEXT:
        raise BadImage(f"{len(content):,} bytes of pixels as text; at most {LARGEST_TEXT:,} are read")
    values = _most_values(content)
    if values > _MOST_VALUES:
        raise BadImage(f"a TIFF with {values:,} strips or tiles, far more than an image has")
    return Markers(1, described=True)


def check_opened(image: Image.Image, scans: int) -> None:
    """Check an image that Pillow has opened and not loaded yet.

    Raises:
        BadImage: it would take too much time or memory.
    """
    size = f"{image.width} x {image.height} pixels"
    if image.width * image.height > LARGEST_PIXELS:
        raise BadImage(f"{size}, over {LARGEST_PIXELS // 1_000_000} megapixels")
    if image.width * image.height * scans > _MOST_SCANNED_PIXELS:
        raise BadImage(f"{size} in {scans} scans, which would take too long to decode")
    tags = getattr(image, "tag_v2", {})
    if _TIFF_TILE_WIDTH in tags and _TIFF_TILE_LENGTH in tags:
        width, length = int(tags[_TIFF_TILE_WIDTH]), int(tags[_TIFF_TILE_LENGTH])
        tiles = -(-image.width // width) * -(-image.height // length)
        if tiles * width * length > 2 * LARGEST_PIXELS:
            raise BadImage(f"{size} in {tiles:,} tiles of {width} x {length}, far more than the image has")


def _most_values(content: bytes) -> int:
    """The largest number of values of a tag in a TIFF file's first directory; 0 for other files."""
    order = {b"II": "<", b"MM": ">"}.get(content[:2])
    if order is None:
        return 0
    big = content[2:4] in (b"+\0", b"\0+")  # BigTIFF
    start, number, entry = (order + form for form in (("8xQ", "Q", "HHQ8x") if big else ("4xI", "H", "HHI4x")))
    most = 0
    try:
        (place,) = struct.unpack_from(start, content)
        (tags,) = struct.unpack_from(number, content, place)
        place += struct.calcsize(number)
        for _ in range(tags):
            _, kind, values = struct.unpack_from(entry, content, place)
            most = max(most, 0 if kind in _TIFF_BYTES else values)
            place += struct.calcsize(entry)
    except struct.error:  # it is cut off: Pillow decides about it
        pass
    return most
