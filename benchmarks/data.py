"""Times the preparation and the input pipeline of images against hand-written programs with Pillow and torchvision.

`python -m benchmarks.data PHOTOGRAPHS` writes benchmarks/results/data.md.
"""

from __future__ import annotations

import argparse
import io
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader
from torchvision import io as torchvision_io  # type: ignore[import-untyped]
from torchvision import transforms as v1
from torchvision.datasets import ImageFolder  # type: ignore[import-untyped]
from torchvision.transforms import v2  # type: ignore[import-untyped]

from alexc.runtime.augmentations.augmentation import ViewSource
from alexc.runtime.augmentations.mirror import Mirror
from alexc.runtime.augmentations.pca_color import PCAColor
from alexc.runtime.augmentations.random_crop import RandomCrop
from alexc.runtime.cores import available_cores
from alexc.runtime.data.batch_loader import BatchLoader, groups_of
from alexc.runtime.data.dataset_statistics import DatasetStatistics, statistics_of
from alexc.runtime.data.decode import decode, scale_and_crop
from alexc.runtime.data.prepare import prepare
from alexc.runtime.data.random_streams import epoch_order
from alexc.runtime.data.split import Split
from alexc.runtime.data.store import Geometry, Store
from alexc.runtime.data.views import Renderer, TrainingViews
from alexc.runtime.doctor.throughput import step_time
from alexc.runtime.network_file import load_network_file
from alexc.runtime.training.optimizer import optimizer_of
from benchmarks.processor_time import seconds_with_children
from benchmarks.result_file import markdown_table, write_result
from benchmarks.side_by_side import Rounds, run_rounds

STORED, SHOWN, BATCH, GPU_BATCH = 256, 227, 32, 128
PHOTOGRAPHS, CLASSES = 200, 4
SMALL_TREE, LARGE_TREE = 2_000, 12_000
ROUNDS, ROUNDS_OF_COMMANDS = 5, 3
EPOCHS_PER_ROUND = 8
COLOR_NOISE = PCAColor(0.1)
PAPER_AUGMENTATION = (RandomCrop(SHOWN), Mirror(), COLOR_NOISE)
FLAGSHIP = Path(__file__).parents[1] / "generated" / "alexnet.py"
PIL, TORCHVISION, ALEXC = "Pillow, v1 transforms", "decode_jpeg, v2 transforms", "alexc"
PIPELINE, COMMAND = "Pillow and multiprocessing", "`alexc prepare`"
FOLDER, RAW, JPEGS = "ImageFolder, v2 transforms, DataLoader", "alexc, raw store", "alexc, store of JPEGs"
WINDOWS = "alexc, raw store, 8-bit windows for a GPU"


def photographs_in(folder: Path) -> list[bytes]:
    """At most `PHOTOGRAPHS` JPEG files at any depth, sampled at equal distances."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg"))
    if not paths:
        raise SystemExit(f"{folder} has no JPEG files: name a folder of photographs")
    return [path.read_bytes() for path in paths[:: -(-len(paths) // PHOTOGRAPHS)]]


def grow(tree: Path, photographs: list[bytes], images: int) -> Path:
    """Write files into `CLASSES` folders of `tree`; bytes after each image make all files different. Returns `tree`."""
    for number in range(images):
        path = tree / str(number % CLASSES) / f"{number:05d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(photographs[number % len(photographs)] + f"{number}".encode())
    return tree


RESIZE_V1 = v1.Compose([v1.Resize(STORED, antialias=True), v1.CenterCrop(STORED)])
RESIZE_V2 = v2.Compose([v2.Resize(STORED, antialias=True), v2.CenterCrop(STORED)])


def by_pillow(content: bytes) -> NDArray[np.uint8]:
    """Decode with Pillow, resize and crop with torchvision's v1 transforms."""
    return np.asarray(RESIZE_V1(Image.open(io.BytesIO(content)).convert("RGB")))


def by_torchvision(content: bytes) -> NDArray[np.uint8]:
    """Decode, resize and crop tensors with torchvision's v2 transforms."""
    encoded = torch.frombuffer(bytearray(content), dtype=torch.uint8)
    decoded = torchvision_io.decode_jpeg(encoded, torchvision_io.ImageReadMode.RGB)
    pixels: NDArray[np.uint8] = RESIZE_V2(decoded).permute(1, 2, 0).numpy()
    return pixels


def by_alexc(content: bytes) -> NDArray[np.uint8]:
    """Decode, resize and crop as `alexc prepare` does."""
    return scale_and_crop(decode(content, ".jpg")[0], Geometry(STORED, STORED))


WAYS: Mapping[str, Callable[[bytes], NDArray[np.uint8]]] = {
    PIL: by_pillow,
    TORCHVISION: by_torchvision,
    ALEXC: by_alexc,
}


def prepared_one_by_one(photographs: list[bytes], ways: Iterable[str] = tuple(WAYS), rounds: int = ROUNDS) -> Rounds:
    """Processor time of each method for all photographs, on one thread."""

    def all_by(way: Callable[[bytes], NDArray[np.uint8]]) -> Callable[[], None]:
        def run() -> None:
            for content in photographs:
                way(content)

        return run

    peers = {name: all_by(WAYS[name]) for name in ways}
    return run_rounds(peers, rounds, "preparing image by image", time.process_time)


def differences(photographs: list[bytes]) -> dict[str, tuple[float, int]]:
    """The mean and the largest difference between the pixels of each method and Pillow's, in grey levels."""
    found: dict[str, list[NDArray[np.int16]]] = {name: [] for name in WAYS}
    for content in photographs:
        reference = by_pillow(content).astype(np.int16)
        for name, way in WAYS.items():
            found[name].append(np.abs(way(content) - reference))
    return {name: (float(np.mean(each)), int(np.max(each))) for name, each in found.items()}


@dataclass(frozen=True)
class Commands:
    """Wall-clock seconds of whole commands on trees of `images` files."""

    images: int
    clock: Rounds


def prepared_by_commands(tree: Path, scratch: Path, processes: int) -> Commands:
    """Run both commands on a tree; before each, all data of the other one is written to the disk."""
    images = sum(path.is_file() for path in tree.rglob("*"))
    python, target = [sys.executable, "-m"], str(scratch / "made")
    lines = {
        PIPELINE: [*python, "benchmarks.pil_pipeline", str(tree), target, str(processes)],
        COMMAND: [*python, "alexc", "prepare", str(tree), "--out", target, "--workers", str(processes)],
    }

    def whole(name: str) -> Callable[[], None]:
        def run() -> None:
            done = subprocess.run(lines[name], capture_output=True, text=True, check=False)  # noqa: S603 - our own
            if done.returncode:
                raise SystemExit(f"{name} failed:\n{done.stderr}")

        return run

    def clear() -> None:
        shutil.rmtree(target, ignore_errors=True)
        os.sync()

    peers = {name: whole(name) for name in lines}
    return Commands(images, run_rounds(peers, ROUNDS_OF_COMMANDS, f"preparing {images:,} images", before=clear))


class ColorNoise(nn.Module):
    """The paper's colour noise (section 4.1), written by hand.

    Args:
        steps: (3, 3), the grey levels that a random value of 1 adds along each component.
    """

    def __init__(self, steps: NDArray[np.float64]) -> None:
        super().__init__()
        self.steps = torch.from_numpy(steps.astype(np.float32))

    def forward(self, image: Tensor) -> Tensor:
        """Add the same colour to every pixel of an image (3, H, W)."""
        return image + (self.steps @ torch.randn(3)).view(3, 1, 1)


def image_folder(tree: Path, statistics: DatasetStatistics) -> DataLoader[tuple[Tensor, Tensor]]:
    """Batches of the paper's views, which one worker makes from the image files.

    The mean image is always cropped in the middle, as usual with combined transforms.
    """
    border = (STORED - SHOWN) // 2
    mean = torch.from_numpy(statistics.mean_image.astype(np.float32)).permute(2, 0, 1)
    mean = mean[:, border : border + SHOWN, border : border + SHOWN].contiguous()
    views = v2.Compose(
        [
            v2.Resize(STORED, antialias=True),
            v2.RandomCrop(SHOWN),
            v2.RandomHorizontalFlip(),
            v2.PILToTensor(),
            v2.ToDtype(torch.float32),
            v2.Lambda(lambda image: image - mean),
            ColorNoise(
                COLOR_NOISE.components(
                    ViewSource((STORED, STORED), (SHOWN, SHOWN), statistics.eigenvalues, statistics.eigenvectors)
                )
            ),
        ]
    )
    return DataLoader(ImageFolder(str(tree), views), batch_size=BATCH, shuffle=True, num_workers=1)


def fed_by(
    split: Split,
    statistics: DatasetStatistics,
    threads: int,
    epochs: Iterable[int],
    on_device: torch.device | None = None,
) -> float:
    """Load whole epochs with BatchLoader. Returns the sum of one pixel of each batch, so that each batch is read."""
    views = TrainingViews(PAPER_AUGMENTATION, statistics, SHOWN, seed=0)
    seen = 0.0
    with BatchLoader(Renderer(SHOWN, statistics.mean_image), SHOWN, BATCH, threads, on_device) as feed:
        for epoch in epochs:
            order = epoch_order(0, epoch, len(split))
            for batch in feed.batches(split, groups_of(order, BATCH), views.of_epoch(epoch, order).take):
                seen += float(batch.images[0, 0, 0, 0])
    return seen


def cut_for_a_gpu(split: Split, statistics: DatasetStatistics, threads: int, epochs: Iterable[int]) -> int:
    """Cut the windows of whole epochs on the threads of a loader, as for a GPU; returns the number of images."""
    views = TrainingViews(PAPER_AUGMENTATION, statistics, SHOWN, seed=0)
    images = 0
    with BatchLoader(
        Renderer(SHOWN, statistics.mean_image), SHOWN, GPU_BATCH, threads, on_device=torch.device("cpu")
    ) as feed:
        for epoch in epochs:
            order = epoch_order(0, epoch, len(split))
            drawn = feed._drawn(split, groups_of(order, GPU_BATCH), views.of_epoch(epoch, order).take)
            images += sum(len(each.pixels) for each in drawn)
    return images


@dataclass(frozen=True)
class Fed:
    """Processor time of each input pipeline for the images of a round."""

    images: Mapping[str, int]
    seconds: Rounds

    def rate(self, way: str) -> float:
        """Images per second of processor time."""
        return self.images[way] / self.seconds.median(way)

    def ratio(self, way: str) -> float:
        """The throughput as a multiple of ImageFolder's."""
        return self.seconds.ratio(FOLDER, way) * self.images[way] / self.images[FOLDER]


def fed_on_one_core(tree: Path, raw: Store, jpegs: Store, rounds: int = ROUNDS) -> Fed:
    """Time epochs of the paper's views with each input pipeline."""
    loader = image_folder(tree, statistics_of(raw))
    epochs = range(EPOCHS_PER_ROUND)
    peers: dict[str, Callable[[], object]] = {
        FOLDER: lambda: sum(float(images[0, 0, 0, 0]) for images, _ in loader),
        RAW: lambda: fed_by(raw.train, statistics_of(raw), 1, epochs),
        JPEGS: lambda: fed_by(jpegs.train, statistics_of(raw), 1, epochs),
        WINDOWS: lambda: cut_for_a_gpu(raw.train, statistics_of(raw), 1, epochs),
    }
    fed = len(raw.train) * EPOCHS_PER_ROUND
    images = {FOLDER: sum(path.is_file() for path in tree.rglob("*")), RAW: fed, JPEGS: fed, WINDOWS: fed}
    return Fed(images, run_rounds(peers, rounds, "feeding", seconds_with_children))


def stores_of(tree: Path, scratch: Path) -> tuple[Store, Store]:
    """Stores of the tree, as raw pixels and as JPEGs."""
    geometry, cores = Geometry(STORED, STORED), available_cores()
    return (
        prepare(tree, scratch / "raw", geometry, cores),
        prepare(tree, scratch / "jpegs", geometry, cores, quality=90),
    )


def step_on_one_core() -> float:
    """Processor time of a training step of AlexNet on `BATCH` images with one thread: the smallest of three."""
    file = load_network_file(FLAGSHIP)
    network = file.build(0).train()
    optimizer = optimizer_of(file.recipe.optimizer, network)
    optimizer.rate = 0.0
    images, labels = torch.randn(BATCH, *file.input_shape) * 50, torch.zeros(BATCH, dtype=torch.int64)
    seconds = []
    for _ in range(4):
        started = time.process_time()
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(functional.cross_entropy(network(images), labels))
        optimizer.step()
        seconds.append(time.process_time() - started)
    return min(seconds[1:])


def main() -> None:
    """Measure everything and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photographs", type=Path, help="a folder of JPEG photographs, at any depth")
    photographs = photographs_in(parser.parse_args().photographs)
    sys.argv[1:] = ["PHOTOGRAPHS"]  # the result must not name a folder of this machine
    cores = available_cores()
    torch.set_num_threads(1)
    lines = _image_by_image(photographs)
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        small = grow(scratch / "small", photographs, SMALL_TREE)
        large = grow(scratch / "large", photographs, LARGE_TREE)
        few, many = (prepared_by_commands(tree, scratch, cores) for tree in (small, large))
        lines += _commands(few, many, cores)
        shutil.rmtree(large)
        raw, jpegs = stores_of(small, scratch)
        lines += _feeding(fed_on_one_core(small, raw, jpegs), step_on_one_core())
        lines += _on_a_gpu(raw, cores)
    write_result(
        "data", "Preparing and feeding images", lines, ["torch", "torchvision", "pillow", "simplejpeg", "numpy"]
    )


def _image_by_image(photographs: list[bytes]) -> list[str]:
    made, off = prepared_one_by_one(photographs), differences(photographs)
    rows = [["way", "images/s", "x", "mean difference", "largest"]]
    for name in WAYS:
        mean, largest = off[name]
        rate = len(photographs) / made.median(name)
        rows.append([name, f"{rate:,.0f}", f"{made.ratio(PIL, name):.2f}", f"{mean:.4f}", f"{largest}"])
    size = sum(map(len, photographs)) / len(photographs) / 1e3
    return [
        "## Preparing, image by image",
        "",
        f"{len(photographs)} photographs of {size:,.0f} kB in the mean, from memory: decoded, shorter side scaled to",
        f"{STORED}, central {STORED}x{STORED}. Images for a second of processor time, one thread, medians of {ROUNDS}",
        "interleaved rounds; how many times as fast as the first row; how far its pixels are off, in grey levels.",
        "",
        *markdown_table(rows),
        "",
    ]


def _commands(small: Commands, large: Commands, processes: int) -> list[str]:
    more = large.images - small.images
    rows = [["command", f"{small.images:,} images", f"{large.images:,} images", "images/s", "without the start"]]
    for name in (PIPELINE, COMMAND):
        seconds = [each.clock.median(name) for each in (small, large)]
        rate = f"{large.images / seconds[1]:,.0f}"
        rows.append([name, *(f"{each:.2f} s" for each in seconds), rate, f"{more / (seconds[1] - seconds[0]):,.0f}"])
    ratios = [f"{each.clock.ratio(PIPELINE, COMMAND):.2f}" for each in (small, large)]
    between = [large.clock.median(name) - small.clock.median(name) for name in (PIPELINE, COMMAND)]
    rows.append(["x", *ratios, ratios[1], f"{between[0] / between[1]:.2f}"])
    return [
        "## Preparing, whole commands",
        "",
        f"Both with {processes} processes, from files to files of raw pixels; `alexc prepare` also hashes, sums up and",
        f"syncs. Seconds by the clock, medians of {ROUNDS_OF_COMMANDS} interleaved rounds; without the start: of the",
        "images and seconds by which the larger tree exceeds the smaller one.",
        "",
        *markdown_table(rows),
        "",
    ]


def _feeding(fed: Fed, step: float) -> list[str]:
    rows = [["way", "images/s a core", "x", f"of a step of {BATCH} images"]]
    for name in (FOLDER, RAW, JPEGS, WINDOWS):
        share = "" if name == WINDOWS else f"{BATCH / fed.rate(name) / step:.1%}"
        rows.append([name, f"{fed.rate(name):,.0f}", f"{fed.ratio(name):.1f}", share])
    return [
        "## Feeding",
        "",
        f"The paper's views ({SHOWN}x{SHOWN} cut at random, mirrored, less the mean image, colour noise) in batches of",
        f"{BATCH}, by one worker or one thread. Images for a second of processor time, of all that takes part. A",
        f"training step of the flagship takes {step:.2f} s of it on one thread; what feeding its images is of that.",
        f"For a GPU, which renders the views itself, threads only cut windows, in batches of {GPU_BATCH}.",
        "",
        *markdown_table(rows),
        "",
    ]


def _on_a_gpu(raw: Store, threads: int) -> list[str]:
    title = ["## Feeding a GPU", ""]
    if not torch.cuda.is_available():
        return [*title, "Not measured: this machine has no GPU."]
    device = torch.device("cuda")
    step = step_time(load_network_file(FLAGSHIP), device)
    fed_by(raw.train, statistics_of(raw), threads, range(1), on_device=device)
    started = time.perf_counter()
    fed_by(raw.train, statistics_of(raw), threads, range(EPOCHS_PER_ROUND), on_device=device)
    rate = len(raw.train) * EPOCHS_PER_ROUND / (time.perf_counter() - started)
    return [
        *title,
        f"{torch.cuda.get_device_name(device)}: {step.images_per_second:,.0f} images/s in steps of {step.batch}.",
        f"A feed of {threads} threads from the raw store into page-locked memory: {rate:,.0f} images/s by the clock,",
        f"{rate / step.images_per_second:.1f} times what the steps use up.",
    ]


if __name__ == "__main__":
    main()
