"""Estimates the size of a store and the time to make it from a sample of the images; leaves no files."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

from alexc.printable import printable
from alexc.table import listed

from ..bytes_text import bytes_text
from ..errors import UserError
from ..temporary_folder import temporary_folder
from .image_list import ImageList
from .image_source import open_source
from .shards import ShardTask, keep_shard, make_shard, read_record
from .store import SPLITS, Geometry
from .worker_pool import WorkerDied, run_in_workers

SAMPLE = 64


@dataclass(frozen=True)
class Estimate:
    """An estimate of a store.

    Attributes:
        root: the folder of the source.
        layout: how the folder is read.
        classes: the number of classes.
        images: the number of images per split.
        store_bytes: the size of the pixels, or approximately of the JPEGs.
        sampled: the number of images that were decoded.
        bad: how many of these cannot be used.
        seconds: the time for all images with `workers` processes, with their start.
        workers: the number of processes that decode.
    """

    root: Path
    layout: str
    classes: int
    images: dict[str, int]
    store_bytes: int
    sampled: int
    bad: int
    seconds: float
    workers: int


def estimate(
    source: Path, geometry: Geometry, workers: int, exif: bool = False, quality: int | None = None, whole: bool = False
) -> Estimate:
    """The estimate from a shard of up to `SAMPLE` images, evenly spaced over the source, in a temporary folder.

    Raises:
        UserError: the source has no usable layout, or a worker was killed.
    """
    with open_source(source, whole) as opened:
        return _estimate(opened.images, geometry, workers, exif, quality)


def _estimate(images: ImageList, geometry: Geometry, workers: int, exif: bool, quality: int | None) -> Estimate:
    sample = images.spread(SAMPLE)
    with temporary_folder() as folder:
        # The first shard, of one image, includes the start of the worker; the second one measures the work itself.
        tasks = [
            ShardTask(
                name, images.root, files, folder, folder, geometry, exif, quality, summed=True, parent=os.getpid()
            )
            for name, files in (("first", sample[:1]), ("sample", sample))
        ]
        times = [time.perf_counter()]

        def keep(task: ShardTask) -> None:
            keep_shard(task)
            times.append(time.perf_counter())

        try:
            run_in_workers(make_shard, tasks, 1, keep)
        except WorkerDied:
            raise UserError(
                "the process that decoded a sample died, killed from outside or out of memory: run it again"
            ) from None
        record = read_record(folder, "sample")
    stored = record.ends[-1] if record.ends else 0
    start, each = times[1] - times[0], (times[2] - times[1]) / len(sample)
    return Estimate(
        root=images.root,
        layout=images.layout,
        classes=len(images.classes),
        images={split: images.count(split) for split in SPLITS},
        store_bytes=round(stored / max(1, record.images) * len(images)),
        sampled=len(sample),
        bad=len(record.bad),
        seconds=start + each * len(images) / workers,
        workers=workers,
    )


def estimate_text(found: Estimate, width: int | None = None) -> str:
    """The estimate as aligned lines; in a terminal of `width` columns, they are wrapped at blanks."""
    minutes, seconds = divmod(round(found.seconds), 60)
    processes = f"{found.workers} process" + ("es" if found.workers > 1 else "")
    rows = [
        ("images", printable(found.root)),
        ("layout", found.layout),
        ("classes", f"{found.classes:,}"),
        *((split, f"{count:,} images") for split, count in found.images.items()),
        ("size", bytes_text(found.store_bytes)),
        ("time", f"about {minutes:,}:{seconds:02d} with {processes}, by {found.sampled} images that were decoded"),
    ]
    if found.bad:
        rows.append(("unusable", f"{found.bad} of these {found.sampled}: `alexc prepare` lists all by name"))
    return "\n".join(listed([(f"{name:<8}", text) for name, text in rows], width))
