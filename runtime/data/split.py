"""The images of a store as training reads them: pixels, labels and names stay on disk until they are needed."""

from __future__ import annotations

import json
import time
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, overload

import numpy as np
from numpy.typing import NDArray

from .shard_pixels import CHANGED, Pixels, RawPixels, Shard, damaged_store, first_images

if TYPE_CHECKING:
    from torch import Tensor

_BLOCK = 1 << 20
_CHECK_SHARE = 0.01  # of the time since reading began: what checking may take


class FileNames(Sequence[str]):
    """The source path of each image of a split, relative to the source folder, with `/`.

    Args:
        path: the file of the names, a JSON string per line.

    Raises:
        OSError: it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._ends: NDArray[np.int64] | None = None
        with path.open("rb") as lines:
            self._count = sum(block.count(b"\n") for block in iter(lambda: lines.read(_BLOCK), b""))

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> str: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[str]: ...

    def __getitem__(self, index: int | slice) -> str | Sequence[str]:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(self._count))]
        place = range(self._count)[index]
        if self._ends is None:
            self._ends = np.flatnonzero(np.memmap(self._path, np.uint8, "r") == ord("\n"))
        start = int(self._ends[place - 1]) + 1 if place else 0
        with self._path.open("rb") as lines:
            lines.seek(start)
            return self._name(lines.read(int(self._ends[place]) - start))

    def __iter__(self) -> Iterator[str]:
        with self._path.open("rb") as lines:
            for line in lines:
                yield self._name(line)

    def _name(self, line: bytes) -> str:
        try:
            name = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise damaged_store(self._path, str(error)) from None
        if not isinstance(name, str):
            raise damaged_store(self._path, "it holds something else than names")
        return name


@dataclass(frozen=True, eq=False)
class LabelSets:
    """The labels of images that can have several.

    Attributes:
        values: the class indices of all images, one image after the other.
        ends: (N,), where those of each image end.
    """

    values: NDArray[np.int64]
    ends: NDArray[np.int64]

    def of(self, image: int) -> NDArray[np.int64]:
        """The class indices of an image."""
        return self.values[int(self.ends[image - 1]) if image else 0 : int(self.ends[image])]

    def rows(self, images: NDArray[np.int64], outputs: int) -> NDArray[np.int8]:
        """(images, outputs): 1 for the labels of each image, else 0."""
        rows = np.zeros((len(images), outputs), np.int8)
        for row, image in zip(rows, images.tolist(), strict=True):
            row[self.of(image)] = 1
        return rows


class Images(Protocol):
    """What a data loader needs of images."""

    def image(self, index: int) -> Pixels:
        """(H, W, channels)."""
        ...

    def windows(
        self, images: NDArray[np.int64], places: NDArray[np.int64], size: tuple[int, int]
    ) -> list[Tensor] | None:
        """Windows of images as they lie in memory, (height, channels * width); None if they do not lie there."""
        ...

    def targets(self, images: NDArray[np.int64], outputs: int) -> NDArray[np.int64] | NDArray[np.int8]:
        """What a loss compares with: class indices, (images,), or for several labels (images, outputs), 0 or 1."""
        ...


@dataclass(frozen=True, eq=False)
class DrawnImages:
    """Images of a split in another order, in which an image can be several times.

    Attributes:
        split: the split.
        drawn: (N,), the number of each image in the split.
    """

    split: Images
    drawn: NDArray[np.int64]

    def image(self, index: int) -> Pixels:
        """(H, W, channels)."""
        return self.split.image(int(self.drawn[index]))

    def windows(
        self, images: NDArray[np.int64], places: NDArray[np.int64], size: tuple[int, int]
    ) -> list[Tensor] | None:
        """As of `Split`."""
        return self.split.windows(self.drawn[images], places, size)

    def targets(self, images: NDArray[np.int64], outputs: int) -> NDArray[np.int64] | NDArray[np.int8]:
        """What a loss compares with, as for `Split`."""
        return self.split.targets(self.drawn[images], outputs)


def source_of(images: Images) -> Images:
    """The images in the order of the store."""
    return source_of(images.split) if isinstance(images, DrawnImages) else images


def number_in_source(images: Images, index: int) -> int:
    """The number of an image in the order of the store."""
    return number_in_source(images.split, int(images.drawn[index])) if isinstance(images, DrawnImages) else index


class Split:
    """The images of "train" or "val" with their labels; picklable, so that other processes can use it.

    Attributes:
        labels: (N,), the class index of each image; empty if an image can have several labels.
        label_sets: the labels of images that can have several; else None.
        files: (N,), the path of each image relative to the source folder.
        bytes: of all pixels or JPEGs.
        shards: the files that hold them.
    """

    def __init__(
        self,
        pixels: RawPixels,
        shards: tuple[Shard, ...],
        labels: NDArray[np.int64] | LabelSets,
        files: Sequence[str],
    ) -> None:
        self.label_sets = labels if isinstance(labels, LabelSets) else None
        self.labels = np.zeros(0, np.int64) if isinstance(labels, LabelSets) else labels
        self.files = files
        self.bytes = sum(shard.bytes for shard in shards)
        self.shards = shards
        self._pixels = pixels
        self._starts = first_images(shards)
        self._unchecked: set[int] = set()
        self._reading_since = self._seconds_of_checks = 0.0

    def __len__(self) -> int:
        return len(self.labels if self.label_sets is None else self.label_sets.ends)

    def relabelled(self, label_of: NDArray[np.int64]) -> Split:
        """The same images, with class index `label_of[label]` instead of each `label`."""
        split = copy(self)
        split.labels = label_of[np.asarray(self.labels)]
        if self.label_sets is not None:
            split.label_sets = LabelSets(label_of[np.asarray(self.label_sets.values)], self.label_sets.ends)
        return split

    def targets(self, images: NDArray[np.int64], outputs: int) -> NDArray[np.int64] | NDArray[np.int8]:
        """What a loss compares with: class indices, (images,), or for several labels (images, outputs), 0 or 1."""
        if self.label_sets is None:
            return np.asarray(self.labels)[images]
        return self.label_sets.rows(images, outputs)

    def images_of_class(self, label: int) -> NDArray[np.int64]:
        """The numbers of the images of a class, or with a label, in order."""
        if self.label_sets is None:
            return np.flatnonzero(np.asarray(self.labels) == label)
        return np.searchsorted(self.label_sets.ends, np.flatnonzero(self.label_sets.values == label), side="right")

    def images_per_class(self, classes: int) -> NDArray[np.int64]:
        """(classes,): the number of images of each class, or with each label."""
        values = self.labels if self.label_sets is None else self.label_sets.values
        return np.bincount(values, minlength=classes)

    def image(self, index: int) -> Pixels:
        """(H, W, channels); for raw pixels, a read-only view of the memory-mapped file.

        Raises:
            IndexError: `index` is not in 0..len - 1.
            UserError: the store is damaged there.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"image {index} of a split of {len(self)}")
        shard = bisect_right(self._starts, index) - 1
        pixels = self._pixels.image(shard, index - self._starts[shard])
        if shard in self._unchecked:
            self._check_in_time(shard)
        return pixels

    def windows(
        self, images: NDArray[np.int64], places: NDArray[np.int64], size: tuple[int, int]
    ) -> list[Tensor] | None:
        """Windows of raw pixels of 8 bits, for many images at once; None for other pixels.

        Args:
            images: (N,), the number of each window's image.
            places: (N, 2), the first row and column of each window.
            size: height and width of all windows.

        Returns:
            For each window (height, channels * width), a view of the memory-mapped file.

        Raises:
            UserError: the store is damaged there.
        """
        shards = np.searchsorted(self._starts, images, side="right") - 1
        tensors = {shard: self._pixels.tensor(shard) for shard in np.unique(shards).tolist()}
        mapped = [tensor for shard in shards.tolist() if (tensor := tensors[shard]) is not None]
        if len(mapped) < len(images):
            return None
        for shard in tensors.keys() & self._unchecked:
            self._check_in_time(shard)
        return self._pixels.windows(mapped, images - np.array(self._starts)[shards], places, size)

    def is_intact(self, shard: int) -> bool:
        """Whether a shard has the hash of the bytes that were written."""
        return self._pixels.is_intact(shard)

    def check_as_read(self) -> None:
        """From now on, compare each shard with its hash when an image of it is read for the first time.

        Where that would take more than 1 % of the time, a shard is checked at a later read. So all shards are checked
        where reading is slow, and some of them, in random order, where it is fast. `image` raises an error for a
        damaged shard.
        """
        self._unchecked = set(range(len(self.shards)))
        self._reading_since = time.monotonic()

    def _check_in_time(self, shard: int) -> None:
        begin = time.monotonic()
        if self._seconds_of_checks > _CHECK_SHARE * (begin - self._reading_since):
            return
        self._unchecked.discard(shard)
        if not self.is_intact(shard):
            raise self._pixels.damaged(shard, CHANGED)
        self._seconds_of_checks += time.monotonic() - begin

    def hold(self) -> None:
        """Map every shard now, so that replacing the store later has no effect."""
        for shard in range(len(self._starts) - 1):
            self._pixels.mapped(shard)
