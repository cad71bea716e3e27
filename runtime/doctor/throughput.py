"""Compares the throughput of data loading with that of the training step."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from ..augmentations.augmentation import Augmentation
from ..augmentations.mirror import Mirror
from ..augmentations.pca_color import PCAColor
from ..augmentations.random_crop import RandomCrop
from ..cores import available_cores
from ..data.batch_loader import BatchLoader, groups_of
from ..data.dataset_statistics import DatasetStatistics, statistics_of
from ..data.random_streams import epoch_order
from ..data.recipe_images import renderer_of
from ..data.shard_pixels import RawPixels, Shard
from ..data.split import Split
from ..data.store import Geometry, Store
from ..data.views import Renderer, TrainingViews
from ..device import is_out_of_memory, place_images, place_network
from ..duration import duration
from ..network_file import NetworkFile
from ..progress import Progress
from ..sides import Sides
from ..temporary_folder import temporary_folder
from ..training.heads import heads_of, loss_of_heads
from ..training.optimizer import Optimizer, optimizer_of
from ..training.precision import autocast
from .section import Finding, Section

# The augmentation that is timed if there is no recipe.
_PAPER_AUGMENTATION: tuple[Augmentation, ...] = (RandomCrop(227), Mirror(), PCAColor(0.1))
_PAPER_SIZE = 227
_FEED_SECONDS = 1.5
_FEED_BATCH = 32
_LONG_STEP = 0.4  # a step of this many seconds can be timed reliably
_STEPS = 4
_STAND_IN_IMAGES = 64


@dataclass(frozen=True)
class TimedImages:
    """The images that data loading is timed on.

    Attributes:
        split: the images.
        statistics: their mean and colours, for the recipe.
        total_bytes: bytes read per epoch.
        is_store: whether they come from a store, not from noise.
    """

    split: Split
    statistics: DatasetStatistics
    total_bytes: int
    is_store: bool


def images_of_store(store: Store) -> TimedImages:
    """The training images of a store."""
    return TimedImages(store.train, statistics_of(store), store.train.bytes, is_store=True)


@contextmanager
def noise_images(geometry: Geometry) -> Iterator[TimedImages]:
    """A few images of noise in a temporary file, used if no store is given."""
    rng = np.random.default_rng(0)
    stored = np.uint8 if geometry.bits == 8 else np.uint16
    pixels = rng.integers(0, np.iinfo(stored).max, (_STAND_IN_IMAGES, *geometry.shape), stored, endpoint=True)
    values = pixels / (np.iinfo(stored).max / 255)
    covariance = np.atleast_2d(np.cov(values.reshape(-1, geometry.channels).T / 255))
    eigenvalues, eigenvectors = np.linalg.eigh(covariance)
    with temporary_folder() as folder:
        pixels.tofile(folder / "noise.u8")
        shards = (Shard("noise.u8", len(pixels), pixels.nbytes, ""),)
        labels, names = np.zeros(len(pixels), np.int64), ("",) * len(pixels)
        split = Split(RawPixels(folder, geometry.shape, shards, geometry.bits), shards, labels, names)
        statistics = DatasetStatistics(("noise",), geometry, values.mean(axis=0), eigenvalues, eigenvectors, "")
        yield TimedImages(split, statistics, pixels.nbytes, is_store=False)


def loading_rate(images: TimedImages, file: NetworkFile | None, workers: int, device: torch.device) -> float:
    """Images per second that `workers` threads load with the recipe of a network, or with that of the AlexNet paper.

    As in training, a GPU renders the views itself.
    """
    if file is None:
        height, width, _ = images.statistics.geometry.shape
        size: Sides = (min(_PAPER_SIZE, height), min(_PAPER_SIZE, width))
        augment = _PAPER_AUGMENTATION
        renderer = Renderer(size, images.statistics.mean_image)
    else:
        size, augment, renderer = file.size, file.recipe.augment, renderer_of(file, images.statistics)
    order = epoch_order(0, 0, len(images.split))
    views = TrainingViews(augment, images.statistics, size, seed=0).of_epoch(0, order)
    rows = min(_FEED_BATCH, len(images.split))
    groups = groups_of(order, rows)
    shown = 0
    on_device = device if device.type == "cuda" else None
    with BatchLoader(renderer, size, rows, workers, on_device) as loader:
        started = time.perf_counter()
        while time.perf_counter() - started < _FEED_SECONDS:
            for batch in loader.batches(images.split, groups, views.take):
                shown += batch.count
                if time.perf_counter() - started >= _FEED_SECONDS:
                    break
        return shown / (time.perf_counter() - started)


@dataclass(frozen=True)
class StepTime:
    """The time of a training step.

    Attributes:
        image: seconds of forward and backward per image, in batches of `timed` images.
        update: seconds of the optimiser step, which do not depend on the batch size.
        batch: the batch size of the recipe.
        timed: the batch size that was timed: that of the recipe, or a smaller one that takes long enough.
        fits: False if a batch of twice that size ran out of memory.
    """

    image: float
    update: float
    batch: int
    timed: int
    fits: bool

    @property
    def images_per_second(self) -> float:
        """Images per second at the batch size of the recipe."""
        return self.batch / (self.batch * self.image + self.update)


def step_time(file: NetworkFile, device: torch.device) -> StepTime:
    """Time whole steps of the recipe on images of noise: forward, backward and update."""
    network = place_network(file.build(0), device)
    network.train()
    optimizer = optimizer_of(file.recipe.optimizer, network)
    optimizer.rate = 0.0  # an update takes as long as any other, and leaves the weights as they are
    timed, fits = 1, True
    while True:
        try:
            seconds = min(_timed_step(file, network, optimizer, device, timed)[0] for _ in range(2))
        except RuntimeError as error:
            if not is_out_of_memory(error) or timed == 1:
                raise
            timed, fits = timed // 2, False
            break
        if seconds >= _LONG_STEP or timed == file.recipe.batch:
            break
        timed = min(2 * timed, file.recipe.batch)
    times = []
    with Progress("training steps", _STEPS, "steps") as progress:
        for _ in range(_STEPS):
            times.append(_timed_step(file, network, optimizer, device, timed))
            progress.advance()
    compute, update = np.median(times, axis=0).tolist()
    return StepTime(compute / timed, update, file.recipe.batch, timed, fits)


def _timed_step(
    file: NetworkFile, network: nn.Module, optimizer: Optimizer, device: torch.device, batch: int
) -> tuple[float, float]:
    """Seconds of forward and backward, and of the update."""
    images = torch.randn(batch, *file.input_shape).to(memory_format=torch.channels_last) * 50
    labels = torch.zeros(batch, dtype=torch.int64, device=device)
    started = time.perf_counter()
    optimizer.zero_grad(set_to_none=True)
    with autocast(file.recipe.precision, device):
        heads = heads_of(network(place_images(images, device)))
    loss = loss_of_heads(file.recipe.loss, network, heads, labels, batch)
    torch.autograd.backward(loss)
    loss.item()  # waits for a GPU
    computed = time.perf_counter()
    optimizer.step()
    next(network.parameters()).flatten()[0].item()
    return computed - started, time.perf_counter() - computed


def throughput(
    step: StepTime | None, loading: float, workers: int, images: TimedImages, read: float, free_memory: float
) -> Section:
    """Compare the rates and name the slowest.

    Args:
        step: of the network; None where none was given.
        loading: images per second that `workers` threads load from memory.
        workers: threads.
        images: the images that were loaded.
        read: bytes per second of the disk.
        free_memory: bytes that the page cache can use.
    """
    image_bytes = images.statistics.geometry.image_bytes
    source = "the store" if images.is_store else "images of noise"
    rows = [("loading", f"{loading:,.0f} images/s, {_threads(workers)}, from {source}")]
    supply, limit = loading, "loading images"
    if images.is_store and images.total_bytes > free_memory:
        from_disk = read / image_bytes
        rows.append(("disk", f"{from_disk:,.0f} images/s: the store is larger than the memory that is free"))
        if from_disk < supply:
            supply, limit = from_disk, "the disk"
    if step is None:
        rows.append(("step", "not timed: give a network file"))
        return Section("throughput", tuple(rows))
    rows.append(("step", f"{step.images_per_second:,.1f} images/s in batches of {step.batch}, timed on {step.timed}"))
    if images.is_store:
        seconds = len(images.split) / min(step.images_per_second, supply)
        rows.append(("epoch", f"{duration(seconds)} for the {len(images.split):,} images of the store"))
    share = step.images_per_second / supply
    findings = [] if step.fits else [_does_not_fit(step)]
    if share < 1:
        source = "the store" if images.is_store else "a store in memory"
        rows.append(("verdict", f"{source} keeps up: data loading takes {share:.1%} of a step, in parallel with it"))
    else:
        rows.append(("verdict", f"{limit} is the limit: it gives {1 / share:.0%} of what the network can take"))
        findings.append(Finding(_remedy(limit, share, workers)))
    return Section("throughput", tuple(rows), tuple(findings))


def _remedy(limit: str, share: float, workers: int) -> str:
    if limit == "the disk":
        return f"the disk must read {share:.1f} times as fast: put the store on a faster disk, or use more memory"
    wanted = math.ceil(share * workers)
    if wanted <= available_cores():
        return f"loading images is {share:.1f} times too slow: train with --workers {wanted}"
    return (
        f"loading images is {share:.1f} times too slow, and {wanted} threads would need more than the "
        f"{available_cores()} cores here: store smaller images, or leave out what costs "
        "much (color_jitter, random_resized_crop)"
    )


def _does_not_fit(step: StepTime) -> Finding:
    return Finding(
        f"{2 * step.timed} images do not fit into the device's memory at once, {step.timed} do: train with a smaller "
        "--batch, or with --accumulate"
    )


def _threads(count: int) -> str:
    return f"{count} thread" + ("s" if count > 1 else "")
