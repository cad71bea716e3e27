"""Decodes ordinary JPEG files directly with libjpeg-turbo: the same pixels as Pillow's, faster."""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np
import simplejpeg  # type: ignore[import-untyped]
from numpy.typing import NDArray

MOST_SCANS = 100  # a progressive JPEG has about ten; each one is a pass over all pixels
MOST_SEGMENTS = 10_000
MOST_FILLING = 1_000_000  # bytes between the segments before the first scan, which Pillow skips one at a time
_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")  # in compressed data, 0xff comes only before 0 or 0xd0..0xd7
_SEQUENTIAL = (0xC0, 0xC1, 0xC9)  # frames that are decoded in one pass, if the first scan has all channels
_END, _SCAN, _WITHOUT_LENGTH = 0xD9, 0xDA, (0x01, 0xD8)
_READ_BY_PILLOW = (0x01, 0xE1, 0xED)  # a marker that Pillow refuses; EXIF or XMP; Photoshop's settings
_PROFILE_OR_IMAGES, _LIST_OF_IMAGES = 0xE2, b"MPF\0"
_SHORTEST = {0xE0: 9, _PROFILE_OR_IMAGES: 16, 0xEE: 9}  # lengths of segments that Pillow reads without an error
_MODES = {"Gray": "L", "YCbCr": "RGB"}


class Markers(NamedTuple):
    """What the markers of a JPEG file say.

    Attributes:
        scans: the number of scans of the first image; 1 if the decoder needs only the first.
        described: whether Pillow may find an orientation or further images, or refuse a part of the header.
    """

    scans: int
    described: bool


def markers_of(content: bytes) -> Markers | None:
    """Read the markers of a JPEG file alone, which takes a small part of a decoding.

    None if there are more than `MOST_SCANS` scans, `MOST_SEGMENTS` segments or `MOST_FILLING` bytes between segments.
    """
    scans, position, channels, filling, described = 0, 2, None, 0, False
    for _ in range(MOST_SEGMENTS):
        found = _MARKER.search(content, position)
        filling += 0 if scans else (found.start() if found else len(content)) - position
        if filling > MOST_FILLING:
            return None
        if found is None or found[0][1] == _END:
            return Markers(scans, described)
        marker, position = found[0][1], found.end()
        if marker in _SEQUENTIAL:
            channels = content[position + 7 : position + 8]
        elif marker == _SCAN:
            scans += 1
            if scans == 1 and content[position + 2 : position + 3] == channels:
                return Markers(1, described)
            if scans > MOST_SCANS:
                return None
        length = 0 if marker in _WITHOUT_LENGTH else int.from_bytes(content[position : position + 2])
        described |= marker in _READ_BY_PILLOW or length < _SHORTEST.get(marker, 0)
        described |= marker == _PROFILE_OR_IMAGES and content.startswith(_LIST_OF_IMAGES, position + 2)
        position += length
    return None


def plain_size(content: bytes) -> tuple[str, int, int] | None:
    """The mode, "L" or "RGB" as in Pillow, the width and the height of a JPEG; None for other modes and files."""
    try:
        height, width, colors, _ = simplejpeg.decode_jpeg_header(content)
    except ValueError:
        return None
    return (_MODES[colors], int(width), int(height)) if colors in _MODES else None


def plain_jpeg(content: bytes, width: int, height: int, channels: int = 3) -> NDArray[np.uint8] | None:
    """(height, width, channels) of a greyscale or colour JPEG; equal bit for bit to Pillow's result.

    Three channels are RGB. One channel is the grey of a greyscale JPEG, or the luma of one in colour. None if the
    decoder reports anything, even a warning, or if the header states another size, which is checked before memory is
    allocated. Then Pillow decides about the file.
    """
    try:
        if simplejpeg.decode_jpeg_header(content)[:2] != (height, width):
            return None
        pixels: NDArray[np.uint8] = simplejpeg.decode_jpeg(content, "RGB" if channels == 3 else "GRAY", strict=True)
    except ValueError:
        return None
    return pixels
