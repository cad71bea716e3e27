"""Lists the images of idx files, the format of MNIST: one file of images and one of labels for each split.

A file begins with two zero bytes, the type of its values, the number of dimensions, and each dimension as 4 bytes.
Source: http://yann.lecun.com/exdb/mnist/
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from alexc.printable import printable

from ..errors import UserError
from .decoding_work import LARGEST_PIXELS
from .folder_layout import names, part_of
from .image_list import ImageList, SourceFile
from .packed_file import PackedFile, UnpackedFiles
from .packed_format import Listing, PackedFormat, parts_of

_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4"}  # those of pixels and labels; others are floats
_PIXELS = 0x08
_WORDS_OF_ROLES = re.compile(r"images?|imgs?|labels?|idx\d?|ubyte|gz|bz2|xz|bin")


@dataclass(frozen=True)
class _IdxFile:
    file: PackedFile
    type: int
    shape: tuple[int, ...]

    @property
    def is_images(self) -> bool:
        return self.type == _PIXELS and (len(self.shape) == 3 or (len(self.shape) == 4 and self.shape[3] == 3))

    @property
    def start(self) -> int:
        return 4 + 4 * len(self.shape)

    @property
    def set(self) -> str:
        """The words of the name that images and labels of one set share, such as "train"."""
        words = re.findall(r"[^\W_]+", self.file.path.casefold())
        return " ".join(word for word in words if not _WORDS_OF_ROLES.fullmatch(word))


def _matches(file: PackedFile, _unpacked: UnpackedFiles) -> bool:
    return _header(file) is not None


def _header(file: PackedFile) -> _IdxFile | None:
    head = file.head
    if len(head) < 8 or head[:2] != b"\0\0" or head[2] not in _TYPES or not 1 <= head[3] <= 4:
        return None
    if len(head) < 4 + 4 * head[3]:
        return None
    return _IdxFile(file, head[2], struct.unpack_from(f">{head[3]}I", head, 4))


def _listed(files: Sequence[PackedFile], listing: Listing) -> ImageList:
    found = [header for file in files if (header := _header(file)) is not None]
    pairs = _pairs(found, listing)
    images = listing.labelled()
    parts = parts_of([pixels.file for pixels, _ in pairs])
    for (pixels, labels), part in zip(pairs, parts, strict=True):
        values, shape = _labels(labels, listing.unpacked), pixels.shape
        if len(values) != shape[0]:
            raise UserError(
                f"{printable(listing.root)}: {printable(pixels.file.path)} has {shape[0]:,} images, but "
                f"{printable(labels.file.path)} has {len(values):,} labels: they do not belong together"
            )
        plain = listing.unpacked.plain(pixels.file)
        for number, label in enumerate(values.tolist()):
            images.add(_image(pixels, plain, number), (label,), part)
    return listing.listed(images, "idx files", [pixels.file for pixels, _ in pairs])


def _pairs(found: Sequence[_IdxFile], listing: Listing) -> list[tuple[_IdxFile, _IdxFile]]:
    """The files of images, each with its file of labels."""
    shown = printable(listing.root)
    images = [each for each in found if each.is_images]
    labels = [each for each in found if len(each.shape) == 1]
    wrong = [each for each in images if not 0 < math.prod(each.shape[1:]) <= LARGEST_PIXELS]
    if not images or wrong:
        raise UserError(f"{shown}: {names(each.file.path for each in wrong or found)} hold no images as MNIST's do")
    for part in {part_of(each.file.path) for each in images}:
        same = [each.file.path for each in images if part_of(each.file.path) == part]
        if len(same) > 1:
            raise UserError(f"{shown} has idx files of several sets, {names(same)}: put one set into its own folder")
    if len(images) == len(labels) == 1:
        return [(images[0], labels[0])]
    label_of = {each.set: each for each in labels}
    for what, these, others in (("labels", images, labels), ("images", labels, images)):
        sets = {each.set for each in others}
        lone = [each.file.path for each in these if each.set not in sets]
        if lone:
            raise UserError(
                f"{shown} has no {what} beside {names(lone)}: put the file of its {what} there, with its name"
            )
    return [(each, label_of[each.set]) for each in sorted(images, key=lambda each: each.file.path)]


def _labels(labels: _IdxFile, unpacked: UnpackedFiles) -> NDArray[np.int64]:
    plain = unpacked.plain(labels.file)
    type = np.dtype(_TYPES[labels.type])
    if plain.size < labels.start + labels.shape[0] * type.itemsize:
        raise UserError(f"{printable(labels.file.disk)} ends in the middle of the labels: download it again")
    return np.fromfile(plain.disk, type, labels.shape[0], offset=plain.offset + labels.start).astype(np.int64)


def _image(pixels: _IdxFile, plain: PackedFile, number: int) -> SourceFile:
    count, height, width, *channels = pixels.shape
    size = math.prod(pixels.shape[1:])
    start = pixels.start + number * size
    complete = start + size <= plain.size
    form = f"pixels {height} {width} {(*channels, 1)[0]}" if complete else "unusable the file ends before this image"
    path = f"{pixels.file.path}/{number:0{len(str(count - 1))}d}"
    return SourceFile(path, 0, size, plain.mtime, plain.archive, plain.offset + start, form=form)


IDX = PackedFormat("idx files, as MNIST has", _matches, _listed)
