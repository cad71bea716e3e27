"""How large a store will be and how long it takes to make, told from a sample of the images: nothing is written."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from alexc.runtime.data.decode import BadImage, decode, jpeg_of, square
from alexc.runtime.data.image_list import ImageList
from alexc.runtime.data.image_source import open_source
from alexc.runtime.data.preparation_report import bytes_text
from alexc.runtime.data.store import SPLITS, Geometry
from alexc.runtime.printable import printable

SAMPLE = 64


@dataclass(frozen=True)
class Estimate:
    """What a store will be.

    Attributes:
        root: the folder of the source.
        layout: how it is read.
        classes: how many there are.
        images: by split.
        store_bytes: of the pixels, or about as many of the JPEGs.
        sampled: images that were decoded.
        bad: those of them that cannot be used.
        seconds: for all images, by `workers` processes.
        workers: how many processes decode.
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
    source: Path, geometry: Geometry, workers: int, exif: bool = False, quality: int | None = None
) -> Estimate:
    """Decode up to `SAMPLE` images, spread evenly over the source, and reckon.

    Raises:
        UserError: when the source has no usable layout.
    """
    with open_source(source) as opened:
        return _estimate(opened.images, geometry, workers, exif, quality)


def _estimate(images: ImageList, geometry: Geometry, workers: int, exif: bool, quality: int | None) -> Estimate:
    sample = images.spread(SAMPLE)
    bad = stored = 0
    started = time.perf_counter()
    for file in sample:
        try:
            image, _ = decode(file.read(images.root), PurePosixPath(file.path).suffix, exif)
            pixels = square(image, geometry)
            stored += pixels.nbytes if quality is None else len(jpeg_of(pixels, quality))
        except BadImage:
            bad += 1
    each = (time.perf_counter() - started) / len(sample)
    return Estimate(
        root=images.root,
        layout=images.layout,
        classes=len(images.classes),
        images={split: images.count(split) for split in SPLITS},
        store_bytes=round(stored / max(1, len(sample) - bad) * len(images)),
        sampled=len(sample),
        bad=bad,
        seconds=each * len(images) / workers,
        workers=workers,
    )


def estimate_text(found: Estimate) -> str:
    """The estimate as aligned lines."""
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
    return "\n".join(f"{name:<8}  {text}" for name, text in rows)
