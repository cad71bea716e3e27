"""Lists the images of CIFAR-10 and CIFAR-100 in the batches of their binary and their Python version.

A binary batch has one record for each image: its label, of CIFAR-100 the coarse label before it, and 3 x 32 x 32
pixels, channel by channel. Nothing says that it is one: its labels do. Of CIFAR-100, the fine labels are the classes.
Source: https://www.cs.toronto.edu/~kriz/cifar.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from alexc.printable import printable

from ..errors import UserError
from .image_list import ImageList, SourceFile
from .packed_file import PackedFile, UnpackedFiles
from .packed_format import Listing, PackedFormat
from .pickled_batch import PixelRows, is_batch, read_batch

_PIXELS = 3 * 32 * 32
_FORM = "planes 3 32 32"
_MOST_LABELS_OF = {1: (10,), 2: (20, 100)}  # for each number of label bytes: the numbers of labels
_GOOD_SHARE = 0.99  # of labels that are labels, in a batch; a damaged one has a few others
_FEWEST_OF_A_CUT_BATCH = 20
_LARGEST = 1 << 30  # bytes; CIFAR-100's batch has 154 million
_FILES_OF_NAMES = ("batches.meta.txt", "fine_label_names.txt")
_LARGEST_FILE_OF_NAMES = 100_000  # bytes
_KEYS_OF_LABELS, _KEYS_OF_NAMES = ("labels", "fine_labels"), ("label_names", "fine_label_names")
_Images = Iterator[tuple[SourceFile, int | None]]


def _is_binary(file: PackedFile, unpacked: UnpackedFiles) -> bool:
    head = file.head
    if not any(all(value < most for value, most in zip(head, each, strict=False)) for each in _MOST_LABELS_OF.values()):
        return False
    return len(head) > 1 and file.size <= _LARGEST and _label_bytes(unpacked.plain(file)) is not None


def _label_bytes(plain: PackedFile) -> int | None:
    """How many bytes before the pixels of each image are labels; None if this is no batch."""
    for count, mosts in _MOST_LABELS_OF.items():
        labels = _labels(plain, count)
        complete = plain.size % (count + _PIXELS) == 0
        if len(labels) < (2 if complete else _FEWEST_OF_A_CUT_BATCH):
            continue
        good = np.all(labels < mosts, axis=1)
        if good.mean() >= _GOOD_SHARE and (complete or good[0]):
            return count
    return None


def _labels(plain: PackedFile, count: int) -> NDArray[np.uint8]:
    """(images, count): the labels of each complete record."""
    step = count + _PIXELS
    images = plain.size // step
    if not images:
        return np.zeros((0, count), np.uint8)
    content = np.memmap(plain.disk, np.uint8, "r", plain.offset, (images, step))
    return np.array(content[:, :count])


def _list_binary(files: Sequence[PackedFile], listing: Listing) -> ImageList:
    return _list(files, listing, "CIFAR's binary batches", _binary_images, _names_in_text(listing))


def _list_python(files: Sequence[PackedFile], listing: Listing) -> ImageList:
    batches, classes = [], None
    for file in files:
        content = read_batch(listing.unpacked.plain(file))
        named = [content[key] for key in _KEYS_OF_NAMES if key in content]
        if named:
            classes = tuple(map(str, named[0]))
        else:
            batches.append(file)
    return _list(batches, listing, "CIFAR's Python batches", _python_images, classes)


def _list(
    files: Sequence[PackedFile],
    listing: Listing,
    kind: str,
    images_of: Callable[[PackedFile, PackedFile], _Images],
    classes: Sequence[str] | None,
) -> ImageList:
    files = sorted(files, key=lambda file: file.path)
    images, most = listing.labelled(), 0
    for file, part in listing.in_turn(files):
        for image, label in images_of(file, listing.unpacked.plain(file)):
            images.add(image, () if label is None else (label,), part)
            most = max(most, label or 0)
    named = classes if classes is not None and most < len(classes) else None
    return listing.listed(images, kind, files, named)


def _binary_images(file: PackedFile, plain: PackedFile) -> _Images:
    count = _label_bytes(plain) or 1
    labels, step = _labels(plain, count), count + _PIXELS
    for number, label in enumerate(labels[:, -1].tolist()):
        if label < _MOST_LABELS_OF[count][-1]:
            yield _image(file, plain, number, number * step + count), label
        else:
            yield _image(file, plain, number, 0, f"unusable the label {label} does not exist"), None
    if plain.size % step:
        yield _image(file, plain, len(labels), 0, "unusable the file ends in the middle of this image"), None


def _python_images(file: PackedFile, plain: PackedFile) -> _Images:
    content = read_batch(plain)
    labels = next((content[key] for key in _KEYS_OF_LABELS if key in content), None)
    pixels = content.get("data")
    if not isinstance(pixels, PixelRows) or pixels.values != _PIXELS or not isinstance(labels, list):
        raise UserError(f"{printable(file.path)} has no data and labels as a batch of CIFAR has: download it again")
    if len(labels) != pixels.images or not all(type(label) is int and label >= 0 for label in labels):
        raise UserError(f"{printable(file.path)} has {pixels.images:,} images and other labels: download it again")
    for number, label in enumerate(labels):
        yield _image(file, plain, number, pixels.start + number * _PIXELS), label


def _image(file: PackedFile, plain: PackedFile, number: int, start: int, form: str = _FORM) -> SourceFile:
    path = f"{file.path}/{number:05d}"
    return SourceFile(path, 0, _PIXELS, plain.mtime, plain.archive, plain.offset + start, form=form)


def _names_in_text(listing: Listing) -> tuple[str, ...] | None:
    """The names of the classes, from the text file that is beside the batches."""
    for file in listing.beside:
        if file.name in _FILES_OF_NAMES and file.size <= _LARGEST_FILE_OF_NAMES:
            with listing.unpacked.plain(file).open() as text:
                lines = text.read(_LARGEST_FILE_OF_NAMES).decode("utf-8", "replace").splitlines()
            return tuple(name for line in lines if (name := line.strip()))
    return None


CIFAR_BINARY = PackedFormat("CIFAR's binary batches", _is_binary, _list_binary, _FILES_OF_NAMES)
CIFAR_PYTHON = PackedFormat("CIFAR's Python batches", lambda file, _: is_batch(file), _list_python)
