"""How large a store will be and how long it takes to make, told from a sample of the images: nothing is written."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from alexc.runtime.data.decode import BadImage, decode, read_file, square
from alexc.runtime.data.image_folder import list_images
from alexc.runtime.data.store import SPLITS, Geometry
from alexc.runtime.printable import printable

SAMPLE = 64


@dataclass(frozen=True)
class Estimate:
    """What a store will be.

    Attributes:
        root: the folder of images.
        layout: how it is read.
        classes: how many there are.
        images: by split.
        store_bytes: of the pixels.
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


def estimate(source: Path, geometry: Geometry, workers: int, exif: bool = False) -> Estimate:
    """Decode up to `SAMPLE` images, spread evenly over the folder, and reckon.

    Raises:
        UserError: when the folder has no usable layout.
    """
    found = list_images(source)
    files = [file.path for split in SPLITS for file in found.splits[split]]
    sample = files[:: max(1, len(files) // SAMPLE)][:SAMPLE]
    bad = 0
    started = time.perf_counter()
    for file in sample:
        path = found.root / file
        try:
            square(decode(read_file(path), path.suffix, exif)[0], geometry)
        except BadImage:
            bad += 1
    each = (time.perf_counter() - started) / len(sample)
    return Estimate(
        root=found.root,
        layout=found.layout,
        classes=len(found.classes),
        images={split: len(found.splits[split]) for split in SPLITS},
        store_bytes=len(files) * geometry.crop**2 * 3,
        sampled=len(sample),
        bad=bad,
        seconds=each * len(files) / workers,
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
        ("size", f"{found.store_bytes / 1e9:,.2f} GB"),
        ("time", f"about {minutes:,}:{seconds:02d} with {processes}, by {found.sampled} images that were decoded"),
    ]
    if found.bad:
        rows.append(("unusable", f"{found.bad} of these {found.sampled}: `alexc prepare` lists all by name"))
    return "\n".join(f"{name:<8}  {text}" for name, text in rows)
