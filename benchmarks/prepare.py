"""Measures how `alexc prepare` scales: time and memory for 1,000 classes and more and more images, raw and as JPEGs.

`python -m benchmarks.prepare PHOTOGRAPHS` writes benchmarks/results/prepare.md. The trees are made of the photographs
in a folder, scaled down; different bytes at the end of each file make all files different.
"""

from __future__ import annotations

import argparse
import io
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from alexc.runtime.data.store import Store, open_store
from alexc.runtime.progress import Progress
from benchmarks.peak_memory import peak_kilobytes
from benchmarks.result_file import markdown_table, write_result

CLASSES, SIDE, STORED = 1000, 96, 64
IMAGES_PER_CLASS = (8, 16, 32, 64)
SECONDS_BETWEEN_LOOKS = 0.05
FORMS = (("raw", ()), ("JPEG", ("--format", "jpeg")))
COLUMNS = ("images", "store", "seconds", "µs an image", "command, MB", "worker, MB", "store, MB")


@dataclass(frozen=True)
class Measured:
    """A run of `alexc prepare`: wall-clock seconds, and peaks of memory in MB."""

    images: int
    form: str
    seconds: float
    parent: float
    worker: float
    store: float


def reduced(photographs: Path) -> list[bytes]:
    """Each photograph with a shorter side of `SIDE` pixels, as a JPEG."""
    found = []
    for path in sorted(photographs.rglob("*.jp*g")):
        with Image.open(path) as image:
            scale = SIDE / min(image.size)
            small = image.convert("RGB").resize((round(image.width * scale), round(image.height * scale)))
        content = io.BytesIO()
        small.save(content, "JPEG", quality=90)
        found.append(content.getvalue())
    return found


def grow(tree: Path, photographs: Sequence[bytes], per_class: int) -> None:
    """Add images to each class folder until it has `per_class` of them; all files are different."""
    for label in range(CLASSES):
        folder = tree / f"class-{label:04d}"
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(per_class):
            path = folder / f"{number:05d}.jpg"
            if not path.exists():
                which = (label * 7919 + number) % len(photographs)
                path.write_bytes(photographs[which] + f"{label}/{number}".encode())


def measure(tree: Path, store: Path, form: str, options: Sequence[str]) -> Measured:
    """Prepare a tree, and measure the memory of the command and of its workers."""
    command = [sys.executable, "-m", "alexc", "prepare", str(tree), "--out", str(store), *options]
    sizes = ["--resize", str(STORED), "--crop", str(STORED)]
    parent, workers = 0, 0
    started = time.perf_counter()
    quiet = subprocess.DEVNULL
    with subprocess.Popen([*command, *sizes], stdout=quiet, stderr=quiet) as process:  # noqa: S603 - this very program
        while process.poll() is None:
            parent = max(parent, peak_kilobytes(process.pid))
            workers = max([workers, *map(peak_kilobytes, _below(process.pid))])
            time.sleep(SECONDS_BETWEEN_LOOKS)
    seconds = time.perf_counter() - started
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    opened = open_store(store)
    images, stored = len(opened.train) + len(opened.val), opened.train.bytes + opened.val.bytes
    return Measured(images, form, seconds, parent / 1e3, workers / 1e3, stored / 1e6)


def read_rate(store: Store) -> float:
    """Images per second that one thread reads from a store in random order, on the second reading."""
    order = np.random.default_rng(0).permutation(len(store.train))[:4096].tolist()
    total, seconds = 0, 0.0
    for _ in range(2):
        started = time.perf_counter()
        total = sum(int(store.train.image(index)[::8].sum()) for index in order)
        seconds = time.perf_counter() - started
    assert total > 0
    return len(order) / seconds


def main() -> None:
    """Measure every size in both forms and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photographs", type=Path, help="a folder of JPEG photographs, at any depth")
    photographs = reduced(parser.parse_args().photographs)
    measured, rates = [], {}
    with (
        tempfile.TemporaryDirectory() as scratch,
        Progress("measuring", len(IMAGES_PER_CLASS) * len(FORMS), "stores") as progress,
    ):
        for per_class in IMAGES_PER_CLASS:
            grow(Path(scratch) / "tree", photographs, per_class)
            for form, options in FORMS:
                store = Path(scratch) / f"{form}-{per_class}"
                measured.append(measure(Path(scratch) / "tree", store, form, options))
                rates[form] = read_rate(open_store(store))
                progress.advance()
    write_result(
        "prepare",
        "Preparing ever more images",
        [*_head(len(photographs)), *markdown_table([COLUMNS, *map(_row, measured)], text_columns=0), *_tail(rates)],
        ["pillow"],
    )


def _below(pid: int) -> Iterator[int]:
    """The processes that this process started, and all that those started."""
    with suppress(OSError):
        for child in map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8").split()):
            yield child
            yield from _below(child)


def _row(measured: Measured) -> list[str]:
    each = measured.seconds / measured.images * 1e6
    return [
        f"{measured.images:,}",
        measured.form,
        f"{measured.seconds:,.1f}",
        f"{each:,.0f}",
        f"{measured.parent:,.1f}",
        f"{measured.worker:,.1f}",
        f"{measured.store:,.1f}",
    ]


def _head(photographs: int) -> list[str]:
    return [
        f"Trees of {CLASSES:,} class folders, made of {photographs} photographs scaled to a shorter side of {SIDE}",
        f"pixels, stored at {STORED} x {STORED}. Whole commands, start to end, one run of each; peaks of memory are",
        "those of the command itself and of the largest of its workers and what they are forked from.",
        "",
    ]


def _tail(rates: dict[str, float]) -> list[str]:
    read = ", ".join(f"{rate:,.0f} from {form}" for form, rate in rates.items())
    return ["", f"Images a second that one thread reads in a random order: {read} (the second of two readings)."]


if __name__ == "__main__":
    main()
