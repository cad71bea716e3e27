"""A process that trains a network file on random images: alone, or as one device of the mesh of the file."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist

from alexc.runtime.device import place_images, place_network
from alexc.runtime.layers.dropout import fix_masks
from alexc.runtime.network_file import load_network_file
from alexc.runtime.parallel.mesh import make_mesh
from alexc.runtime.parallel.rank import Rank, alone
from alexc.runtime.training.heads import cross_entropy_of_heads, heads_of
from alexc.runtime.training.optimizer import optimizer_of
from benchmarks.collectives_meter import CollectivesMeter, Issued

CLASSES = 1000
_SEED = 0


@dataclass(frozen=True)
class Setting:
    """The options that the processes of a training share.

    Attributes:
        network: the path of a file that `alexc compile` wrote.
        ranks: the number of processes, equal to the number of devices of the mesh.
        batch: the batch size, over all processes.
        threads: the number of CPU threads of each process.
        gpus: whether each process has its own GPU.
        meeting: the path of a file that does not exist yet, by which they find each other.
    """

    network: Path
    ranks: int
    batch: int
    threads: int
    gpus: bool
    meeting: Path


@dataclass(frozen=True)
class MeteredStep:
    """A step in which each collective was awaited at once, so that none overlapped with computation.

    Attributes:
        issued: the collectives of both passes and of the gradient sums, in order.
        seconds: the duration of the step.
        seconds_in_collectives: the part of it in collectives, including the wait for other ranks.
    """

    issued: tuple[Issued, ...]
    seconds: float
    seconds_in_collectives: float


class Trainee:
    """A process of a training: the steps of `alexc train` in float32, without reading images or checking values.

    Args:
        number: the rank of the process.
        setting: the options that all processes share.
    """

    def __init__(self, number: int, setting: Setting) -> None:
        torch.set_num_threads(setting.threads)
        self._device = torch.device("cuda", number) if setting.gpus else torch.device("cpu")
        if setting.gpus:
            torch.cuda.set_device(self._device)
        file = load_network_file(setting.network)
        rank = alone()
        if file.placement is not None:
            _join(number, setting)
            rank = Rank(make_mesh(file.placement.mesh, self._device.type), file.placement)
        self._network = place_network(rank.build(file, _SEED), self._device).train()
        self._optimizer = optimizer_of(file.recipe.optimizer, self._network)
        self._gradients = rank.gradient_sum(self._network)
        draw = np.random.default_rng(_SEED)
        images = draw.standard_normal((setting.batch, *file.input_shape), np.float32)
        shown = torch.from_numpy(rank.batch_shard.select(images)).to(memory_format=torch.channels_last)
        self._images = place_images(shown, self._device)
        self._labels = rank.batch_shard.labels(draw.integers(CLASSES, size=setting.batch)).to(self._device)
        self._batch, self._steps = setting.batch, 0

    def train(self, steps: int) -> None:
        """Run steps, and wait until the device has finished them."""
        for _ in range(steps):
            self._step()
        self._finish()

    def metered_step(self) -> MeteredStep:
        """Run one step and record its collectives."""
        meter = _WaitingMeter(self._finish)
        self._finish()
        started = time.perf_counter()
        with meter:
            self._step()
        self._finish()
        seconds = time.perf_counter() - started
        return MeteredStep(tuple(meter.seen), seconds, meter.seconds)

    def processor_seconds(self) -> float:
        """The processor seconds of the process so far, over all its threads."""
        return time.process_time()

    def peak_gpu_bytes(self) -> int:
        """The peak memory of tensors on the GPU, in bytes."""
        return torch.cuda.max_memory_allocated(self._device)

    def leave(self) -> None:
        """Leave the process group."""
        if dist.is_initialized():
            dist.barrier()
            dist.destroy_process_group()

    def _step(self) -> None:
        self._optimizer.zero_grad(set_to_none=True)
        fix_masks(self._network, _SEED, self._steps)
        heads = heads_of(self._network(self._images))
        loss = cross_entropy_of_heads(self._network, heads, self._labels, self._batch)
        torch.autograd.backward(loss)
        if self._gradients is not None:
            self._gradients.wait()
        self._optimizer.step()
        self._steps += 1

    def _finish(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)


class _WaitingMeter(CollectivesMeter):  # type: ignore[no-untyped-call]
    """Waits for each collective as soon as it is issued, and measures the seconds.

    Args:
        finish: waits until the device has finished all its work.
    """

    def __init__(self, finish: Callable[[], None]) -> None:
        super().__init__()
        self.seconds = 0.0
        self._finish = finish

    def issue(self, collective: Callable[[], Any]) -> Any:  # noqa: ANN401
        """Issue a collective, and wait until it is finished."""
        self._finish()
        started = time.perf_counter()
        made = collective()
        dist.Work.unbox(made[-1] if isinstance(made, tuple) else made).wait()
        self._finish()
        self.seconds += time.perf_counter() - started
        return made


def _join(number: int, setting: Setting) -> None:
    if Path("/sys/class/net/lo").exists():
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    backend = "cpu:gloo,cuda:nccl" if setting.gpus else "gloo"
    dist.init_process_group(backend, f"file://{setting.meeting}", rank=number, world_size=setting.ranks)
