"""Makes a shard from a slice of the source files: the unit of work and of resumption in `prepare`.

A shard depends only on its files and the options, so any process can make it at any time. Worker processes import this
module and make shards under temporary names; their parent syncs them to disk, while the workers go on.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import IO

import numpy as np
from numpy.typing import NDArray

from .decode import decode, is_scaled_up, jpeg_of, scale_and_crop
from .decoding_work import BadImage
from .image_list import SourceFile
from .shard_pixels import Pixels
from .store import ColorSums, Geometry
from .worker_pool import leave_if_asked

MOST_IMAGES = 1024
_FEWEST_IMAGES = 16
_SHARDS_OF_A_SMALL_SPLIT = 64


@dataclass(frozen=True)
class ShardTask:
    """The task of a worker.

    Attributes:
        name: the name of the shard's file without its ending: "train-00000".
        root: the source folder.
        files: the files to decode.
        pixels: the folder for the pixels.
        records: the folder for the record and the sum of the images.
        geometry: how images are scaled and cut, and their channels.
        exif: whether EXIF orientations are applied.
        quality: of the stored JPEGs; None for raw pixels.
        summed: whether its images count for the mean image and the colour components, as those of "train" do.
        parent: the number of the process that keeps the shard; a part of temporary names.
    """

    name: str
    root: Path
    files: tuple[SourceFile, ...]
    pixels: Path
    records: Path
    geometry: Geometry
    exif: bool
    quality: int | None
    summed: bool
    parent: int

    def temporary(self, path: Path) -> Path:
        """Where a file of the shard is written, before it is synced and gets its name."""
        return path.with_name(f"{path.name}.{self.parent}.tmp")


@dataclass(frozen=True)
class ShardRecord:
    """The results of a shard. The record gets its name last, so a shard with a record is finished.

    Attributes:
        digests: the hash of each good image's file, to find equal files in two classes.
        bad: index in the task's files, and reason, of each file that is not a usable image.
        treatments: how often each conversion was needed.
        small: the number of good images that were scaled up.
        color_sums: over the shard's pixels, before JPEG compression; zeros if they are not summed.
        ends: where the bytes of each good image end in the shard.
        sha256: of the shard's bytes.
    """

    digests: tuple[str, ...]
    bad: tuple[tuple[int, str], ...]
    treatments: dict[str, int]
    small: int
    color_sums: ColorSums
    ends: tuple[int, ...]
    sha256: str

    @property
    def images(self) -> int:
        """The number of images of the shard."""
        return len(self.digests)


def shard_file(name: str, quality: int | None, bits: int) -> str:
    """The file name of a shard, from its name and format."""
    return f"{name}.u{bits}" if quality is None else f"{name}.jpegs"


def shard_length(files: int) -> int:
    """The number of files per shard: small sets keep all cores busy, large sets give large files."""
    return min(MOST_IMAGES, max(_FEWEST_IMAGES, -(-files // _SHARDS_OF_A_SMALL_SPLIT)))


def make_shard(task: ShardTask) -> None:
    """Decode the task's files and write pixels, sum and record under temporary names, for `keep_shard`.

    Raises:
        Stopped: the parent of this worker asked to stop.
    """
    made = _Shard(task)
    pixels, image_sum, record = map(task.temporary, _files_of(task))
    with pixels.open("wb") as output:
        for position, file in enumerate(task.files):
            leave_if_asked()
            made.add(position, file, output)
    if task.summed:
        with image_sum.open("wb") as output:
            np.save(output, made.image_sum, allow_pickle=False)
    record.write_text(json.dumps(asdict(made.record())), encoding="utf-8")


def keep_shard(task: ShardTask) -> None:
    """Sync the files that `make_shard` wrote to disk and give them their names, the record last."""
    pixels, image_sum, record = _files_of(task)
    for path in (pixels, image_sum, record) if task.summed else (pixels, record):
        temporary = task.temporary(path)
        with temporary.open("r+b") as file:  # Windows syncs only what can be written
            os.fsync(file.fileno())
        if temporary.stat().st_size:
            temporary.replace(path)
        else:  # the pixels, if no image is usable: an empty file cannot be mapped
            temporary.unlink()


def _files_of(task: ShardTask) -> tuple[Path, Path, Path]:
    """The paths of its pixels, of the sum of its images, if they are summed, and of its record."""
    pixels = task.pixels / shard_file(task.name, task.quality, task.geometry.bits)
    return pixels, task.records / f"{task.name}.npy", task.records / f"{task.name}.json"


def is_finished(records: Path, name: str) -> bool:
    """Whether the shard with this name has its record."""
    return (records / f"{name}.json").exists()


def read_record(records: Path, name: str) -> ShardRecord:
    """The record of a finished shard."""
    value = json.loads((records / f"{name}.json").read_bytes())
    sums = value["color_sums"]
    return ShardRecord(
        digests=tuple(value["digests"]),
        bad=tuple((position, reason) for position, reason in value["bad"]),
        treatments=value["treatments"],
        small=value["small"],
        color_sums=ColorSums(sums["pixels"], tuple(sums["values"]), tuple(map(tuple, sums["products"]))),
        ends=tuple(value["ends"]),
        sha256=value["sha256"],
    )


def read_image_sum(records: Path, name: str) -> NDArray[np.uint32]:
    """(height, width, channels): the sum of a finished shard's images, if they are summed."""
    image_sum: NDArray[np.uint32] = np.load(records / f"{name}.npy", allow_pickle=False)
    return image_sum


class _Shard:
    """A shard in progress."""

    def __init__(self, task: ShardTask) -> None:
        height, width, channels = task.geometry.shape
        # Products are summed row by row of each plane. All sums are exact: float32 holds whole numbers up to 2**24.
        largest = 2**task.geometry.bits - 1
        self._exact = np.float32 if max(MOST_IMAGES * largest, width * largest**2) <= 2**24 else np.float64
        self._plane_sums = np.zeros((channels, height, width), self._exact)
        self._task = task
        self._ends: list[int] = []
        self._sha256 = hashlib.sha256()
        self._digests: list[str] = []
        self._bad: list[tuple[int, str]] = []
        self._treatments: Counter[str] = Counter()
        self._small = 0
        self._products = np.zeros((channels, channels, height), np.int64)

    def add(self, position: int, file: SourceFile, output: IO[bytes]) -> None:
        task = self._task
        try:
            content = file.read(task.root)
            geometry = task.geometry
            ending = PurePosixPath(file.path).suffix
            decoded, treatments = decode(content, ending, task.exif, geometry.channels, geometry.bits)
            pixels = scale_and_crop(decoded, geometry)
        except BadImage as reason:
            self._bad.append((position, str(reason)))
            return
        stored: memoryview | bytes = pixels.data if task.quality is None else jpeg_of(pixels, task.quality)
        output.write(stored)
        self._sha256.update(stored)
        self._ends.append((self._ends[-1] if self._ends else 0) + memoryview(stored).nbytes)
        self._digests.append(hashlib.sha256(content).hexdigest()[:32])
        self._treatments.update(treatments)
        self._small += is_scaled_up(decoded, geometry)
        if task.summed:
            self._add_sums(pixels)

    def _add_sums(self, pixels: Pixels) -> None:
        planes = np.ascontiguousarray(pixels.reshape(-1, pixels.shape[2]).T).astype(self._exact)
        planes = planes.reshape(self._plane_sums.shape)
        np.add(self._plane_sums, planes, out=self._plane_sums)
        for i in range(len(planes)):
            for j in range(i, len(planes)):
                self._products[i, j] += np.vecdot(planes[i], planes[j]).astype(np.int64)

    @property
    def image_sum(self) -> NDArray[np.uint32]:
        """(height, width, channels)."""
        return np.ascontiguousarray(self._plane_sums.transpose(1, 2, 0)).astype(np.uint32)

    def record(self) -> ShardRecord:
        upper = self._products.sum(axis=2)
        color_sums = ColorSums(
            len(self._digests) * self._plane_sums[0].size if self._task.summed else 0,
            tuple(self._plane_sums.sum(axis=(1, 2), dtype=np.int64).tolist()),
            tuple(map(tuple, (upper + np.triu(upper, 1).T).tolist())),
        )
        return ShardRecord(
            digests=tuple(self._digests),
            bad=tuple(self._bad),
            treatments=dict(self._treatments),
            small=self._small,
            color_sums=color_sums,
            ends=tuple(self._ends),
            sha256=self._sha256.hexdigest(),
        )
