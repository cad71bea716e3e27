"""Runs all checks of `alexc doctor` in order and yields each section as soon as it is ready."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import torch

from alexc.printable import printable

from ..bytes_text import bytes_text
from ..data.recipe_images import geometry_of
from ..data.store import Geometry, open_store
from ..device import choose_arithmetic, find_device
from ..errors import UserError
from ..network_file import NetworkFile, load_network_file
from ..training.needed_bytes import bytes_in_memory, bytes_on_disk
from ..training.settings import default_workers
from .decoder import decoder
from .devices import devices
from .disk import disk
from .machine import Memory, machine, memory_here
from .section import Finding, Section
from .throughput import images_of_store, loading_rate, noise_images, step_time, throughput


def examine(data: Path | None, network: Path | None) -> Iterator[Section]:
    """Check the machine, its disk, the store and the network.

    Args:
        data: a store; without one, data loading is timed on images of noise.
        network: a network file; without one, no training step is timed.

    Raises:
        UserError: when the store or the network file cannot be used, or do not fit each other.
    """
    file = None if network is None else load_network_file(network)
    store = None if data is None else open_store(data)
    geometry = geometry_of(file) if file is not None else store.geometry if store is not None else Geometry()
    if store is not None and store.geometry != geometry:
        raise UserError(
            f"{printable(store.path)} holds images with {store.geometry.in_words()}, but {file and file.name} "
            f"wants {geometry.in_words()}: give the store that was prepared for it"
        )
    memory, device = memory_here(), find_device(None)
    yield machine(memory)
    yield devices()
    whole = None if file is None else file.build_without_memory()
    needed = 0 if file is None or whole is None else bytes_on_disk(whole, file.recipe, resumed=False)
    section, speed = disk(_folder(data), needed)
    yield section
    yield decoder(geometry)
    workers = default_workers(device)
    with ExitStack() as held:
        images = held.enter_context(noise_images(geometry)) if store is None else images_of_store(store)
        loading = loading_rate(images, file, workers, device)
        if file is None or whole is None:
            step = None
        else:
            yield _memory_of(file, bytes_in_memory(whole, file.recipe), device, memory)
            choose_arithmetic(device)
            step = step_time(file, device)
        yield throughput(step, loading, workers, images, speed.read if speed else math.inf, memory.usable)


def _folder(data: Path | None) -> Path:
    """The folder whose disk is checked: that of the store if it is writable, else the current folder."""
    beside = None if data is None else data.resolve().parent
    return beside if beside is not None and os.access(beside, os.W_OK) else Path.cwd()


def _memory_of(file: NetworkFile, needed: int, device: torch.device, memory: Memory) -> Section:
    """The device memory that training needs besides activations."""
    free = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else memory.usable
    rows = (
        ("network", file.name),
        ("keeps", f"{bytes_text(needed)}: weights, gradients and what the optimiser keeps"),
    )
    if needed < free:
        return Section("training", rows)
    short = f"{file.name} keeps {bytes_text(needed)} in memory, and {device} has {bytes_text(free)} free"
    return Section(
        "training", rows, (Finding(f"{short}: end what else uses it, or train a smaller network", is_error=True),)
    )
