"""Writes the files of a store except its shards, in pieces: memory does not grow with the number of images."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..files import AtomicFile, sync_folder, write_bytes
from .shard_pixels import Shard
from .store import (
    ANY_SHAPE,
    FORMAT,
    MANIFEST,
    SEVERAL_LABELS,
    SOURCE,
    VERSION,
    ColorSums,
    Geometry,
    PrepareFindings,
    SplitName,
)


class StoredImage(NamedTuple):
    """An image of a split: its class, its source path, and in a store of JPEGs where its bytes end in its shard.

    `labels` are its class indices if an image can have several; else None.
    """

    label: int
    file: str
    end: int
    labels: tuple[int, ...] | None = None


@dataclass(frozen=True)
class SplitContent:
    """The content of a finished split: its shards, and its images, which are read once.

    `labels` is the number of labels of all images if an image can have several; else None.
    """

    shards: tuple[Shard, ...]
    images: Iterable[StoredImage]
    labels: int | None = None


@dataclass(frozen=True, eq=False)
class StoreContent:
    """The content of a finished store.

    Attributes:
        classes: class names.
        geometry: how images were scaled and cut, and their channels.
        quality: of the JPEGs; None for raw pixels.
        splits: the images.
        image_sum: (height, width, channels), of all training images.
        color_sums: over all their pixels.
        preparation: what `prepare` found.
        source: the source of the store, plain values.
    """

    classes: tuple[str, ...]
    geometry: Geometry
    quality: int | None
    splits: Mapping[SplitName, SplitContent]
    image_sum: NDArray[np.int64]
    color_sums: ColorSums
    preparation: PrepareFindings
    source: Mapping[str, object]


def write_store(folder: Path, content: StoreContent) -> None:
    """Write all files except the shards, which are in `folder` already; sync everything to disk, manifest last."""
    hashes = {"train-sum.npy": _write_array(folder / "train-sum.npy", content.image_sum)}
    for name, split in content.splits.items():
        hashes |= _write_split(folder, name, split, content.quality)
    _write_json(folder / SOURCE, content.source)
    manifest = {
        "format": FORMAT,
        "version": _version(content.geometry, several_labels=content.splits["train"].labels is not None),
        "geometry": content.geometry.as_values(),
        "quality": content.quality,
        "classes": content.classes,
        "splits": {
            name: {
                "images": sum(shard.images for shard in split.shards),
                "shards": [asdict(shard) for shard in split.shards],
            }
            for name, split in content.splits.items()
        },
        "color_sums": asdict(content.color_sums),
        "preparation": asdict(content.preparation),
        "sha256": hashes,
    }
    _write_json(folder / MANIFEST, manifest)
    sync_folder(folder)


def _version(geometry: Geometry, several_labels: bool) -> int:
    """The lowest version that can hold these images, so that an earlier alexc reads what it can."""
    if not geometry.is_rgb_square:
        return ANY_SHAPE
    return SEVERAL_LABELS if several_labels else VERSION


def _write_split(folder: Path, name: SplitName, content: SplitContent, quality: int | None) -> dict[str, str]:
    """Write labels, names and, for JPEGs, ends; returns each file's hash."""
    count = sum(shard.images for shard in content.shards)
    arrays = {"labels": count if content.labels is None else content.labels}
    arrays |= {} if content.labels is None else {"label-ends": count}
    arrays |= {} if quality is None else {"ends": count}
    names = [f"{name}-files.jsonl", *(f"{name}-{array}.npy" for array in arrays)]
    written = 0
    with ExitStack() as open_files:
        lines, *files = [open_files.enter_context(AtomicFile(folder / each)) for each in names]
        for file, length in zip(files, arrays.values(), strict=True):
            _write_header(file, length)
        for image in content.images:
            lines.write(json.dumps(image.file).encode() + b"\n")
            labels = (image.label,) if image.labels is None else image.labels
            written += len(labels)
            values = {"labels": labels, "label-ends": (written,), "ends": (image.end,)}
            for file, array in zip(files, arrays, strict=True):
                file.write(np.array(values[array], np.int64).tobytes())
    return {each: file.sha256 for each, file in zip(names, (lines, *files), strict=True)}


def _write_header(file: AtomicFile, count: int) -> None:
    """Write the header of numpy's format, for a vector of `count` int64."""
    description = {"descr": np.lib.format.dtype_to_descr(np.dtype(np.int64)), "fortran_order": False, "shape": (count,)}
    np.lib.format.write_array_header_1_0(file, description)


def _write_json(path: Path, value: object) -> None:
    write_bytes(path, (json.dumps(value, indent=1, sort_keys=True) + "\n").encode())


def _write_array(path: Path, array: NDArray[np.int64]) -> str:
    """Write an array atomically in numpy's own format; returns the file's SHA-256."""
    content = io.BytesIO()
    np.save(content, array, allow_pickle=False)
    return write_bytes(path, content.getvalue())
