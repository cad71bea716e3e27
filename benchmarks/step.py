"""Times a training step of AlexNet (forward, backward, update) against hand-written AlexNets.

`python -m benchmarks.step` writes benchmarks/results/step.md (step_gpu.md on a GPU). Each peer is a process of its own,
so that it has its own memory; they take steps in turn.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
import torchvision  # type: ignore[import-untyped]
from PIL import Image
from torch import Tensor

from alexc.net import Net
from alexc.runtime.allocator import keep_freed_memory
from alexc.runtime.data.batch_loader import Batch
from alexc.runtime.data.prepare import prepare
from alexc.runtime.data.store import Geometry
from alexc.runtime.device import choose_arithmetic, device_text, find_device
from alexc.runtime.training.options import TrainOptions
from alexc.runtime.training.set_up import set_up
from benchmarks.hand_written import HandWrittenAlexNet, hand_written_step
from benchmarks.peak_memory import peak_kilobytes
from benchmarks.result_file import markdown_table, write_result
from benchmarks.side_by_side import Rounds, run_rounds
from benchmarks.workers import Worker, ask_all

ROOT = Path(__file__).resolve().parents[1]
FLAGSHIP, TORCHVISIONS = "alexnet", "alexnet_2014"  # the second one is torchvision.models.alexnet

TIMEOUT = 600.0  # seconds for a step, including compilation

Step = Callable[[], object]


@dataclass(frozen=True)
class Peer:
    """A training step to time.

    Attributes:
        name: the name in the table.
        network: the spec of its network.
        by: the author of the step.
        bf16: whether layers compute in bfloat16.
        channels_last: the memory format of a hand-written step; alexc chooses its own.
        compiled: whether it uses torch.compile.
        tf32: whether a GPU multiplies float32 in TF32.
        deterministic: whether a GPU gives the same bits in each run; hand-written steps leave it to cudnn's search.
    """

    name: str
    network: str
    by: Literal["alexc", "hand"]
    bf16: bool = False
    channels_last: bool = False
    compiled: bool = False
    tf32: bool = False
    deterministic: bool = False

    @property
    def numbers(self) -> str:
        """The type of the numbers, in a word."""
        return "bf16" if self.bf16 else "TF32" if self.tf32 else "float32"


def peers(bf16: bool, compiled: bool) -> list[Peer]:
    """The steps to compare in one precision; the plain network in float32 comes first."""
    base = Peer("by hand", FLAGSHIP, "hand")
    hand = [
        *([Peer("by hand", FLAGSHIP, "hand", bf16)] if bf16 else []),
        Peer("by hand, channels last", FLAGSHIP, "hand", bf16, channels_last=True),
        Peer("by hand, channels last, compiled", FLAGSHIP, "hand", bf16, channels_last=True, compiled=True),
    ]
    own = [Peer("alexc", FLAGSHIP, "alexc", bf16), Peer("alexc --compile", FLAGSHIP, "alexc", bf16, compiled=True)]
    others = [
        Peer("torchvision's alexnet", TORCHVISIONS, "hand", bf16),
        Peer("torchvision's alexnet, channels last", TORCHVISIONS, "hand", bf16, channels_last=True),
        Peer("the same by alexc", TORCHVISIONS, "alexc", bf16),
    ]
    return [base, *(peer for peer in [*hand, *own, *others] if compiled or not peer.compiled)]


class PeerStep:
    """The step of a peer on a fixed batch of random images; made in a process of its own.

    Args:
        peer: the peer.
        batch: the batch size.
        device: the device that computes.
        store: a store that a training by alexc can open; the images of the step are others.
        run: the run folder for that training.
    """

    def __init__(self, peer: Peer, batch: int, device: torch.device, store: Path, run: Path) -> None:
        with open(os.devnull, "w", encoding="utf-8") as nothing:  # noqa: PTH123 - hides the output of the training
            os.dup2(nothing.fileno(), 1)
        if peer.by == "alexc":
            keep_freed_memory()
        torch.manual_seed(0)
        size = 227 if peer.network == FLAGSHIP else 224
        images, labels = torch.randn(batch, 3, size, size), torch.randint(1000, (batch,))
        self._device, self._held = device, ExitStack()
        choose_arithmetic(device, peer.deterministic, peer.tf32)
        if peer.by == "alexc":
            self._step = self._held.enter_context(alexcs_step(peer, images, labels, device, store, run))
        else:
            network = HandWrittenAlexNet() if peer.network == FLAGSHIP else torchvision.models.alexnet()
            network, images, labels = network.to(device), images.to(device), labels.to(device)
            self._step = hand_written_step(network, images, labels, peer.bf16, peer.channels_last, peer.compiled)

    def take(self, steps: int) -> None:
        """Run steps, and wait until the device has finished them."""
        for _ in range(steps):
            self._step()
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)

    def peak(self) -> float:
        """The peak memory so far in MB: of the GPU, or of the process on a CPU."""
        if self._device.type == "cuda":
            return torch.cuda.max_memory_allocated(self._device) / 1e6
        return peak_kilobytes(os.getpid()) / 1e3


@contextmanager
def alexcs_step(
    peer: Peer, images: Tensor, labels: Tensor, device: torch.device, store: Path, run: Path
) -> Iterator[Step]:
    """The step of `alexc train`, including its checks and its logging."""
    options = TrainOptions(
        network=ROOT / "generated" / f"{peer.network}.py",
        data=store,
        out=run,
        batch=len(images),
        device=str(device),
        amp="bf16" if peer.bf16 else None,
        compile=peer.compiled,
        deterministic=peer.deterministic,
        tf32=peer.tf32,
    )
    shown = images.to(device).contiguous(memory_format=torch.channels_last)
    parts = [(Batch(shown, labels, len(labels)), True)]
    with set_up(options) as trainer:
        yield lambda: list(trainer.take_step(len(labels), parts, lambda: False))


def noise_store(folder: Path, batch: int) -> Path:
    """A store with enough images for a batch."""
    draw = np.random.default_rng(0)
    for split, images in (("train", max(2, batch)), ("val", 2)):
        for number in range(images):
            path = folder / "images" / split / ("even", "odd")[number % 2] / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(draw.integers(256, size=(256, 256, 3), dtype=np.uint8)).save(path)
    return prepare(folder / "images", folder / "store", Geometry(256, 256), workers=1).path


def measure(chosen: Sequence[Peer], batch: int, device: torch.device, rounds: int) -> tuple[Rounds, dict[str, float]]:
    """Seconds per step of each peer, by its index, and its peak memory in MB."""
    steps = 30 if device.type == "cuda" else 1
    with tempfile.TemporaryDirectory() as name, ExitStack() as held:
        store = noise_store(Path(name), batch)
        workers = {}
        for place, peer in enumerate(chosen):
            workers[str(place)] = worker = Worker(
                peer.name, PeerStep, peer, batch, device, store, Path(name) / f"run-{place}"
            )
            held.callback(worker.end)

        def steps_of(worker: Worker[PeerStep]) -> Callable[[], list[None]]:
            return lambda: ask_all([worker], TIMEOUT, PeerStep.take, steps)

        if device.type == "cuda":  # all compile at the same time
            ask_all(list(workers.values()), TIMEOUT, PeerStep.take, 3)
        timed = run_rounds({place: steps_of(worker) for place, worker in workers.items()}, rounds, "steps")
        memory = {place: ask_all([worker], TIMEOUT, PeerStep.peak)[0] for place, worker in workers.items()}
    return Rounds({place: tuple(each / steps for each in took) for place, took in timed.seconds.items()}), memory


def peak_rate(dtype: torch.dtype, device: torch.device, side: int = 4096) -> float:
    """The FLOP/s of a large matrix product or a large convolution: the best that the machine can do.

    Args:
        dtype: of the numbers.
        device: the device.
        side: of the matrices; the convolution is of side / 128 images.
    """
    matrix = torch.randn(side, side, device=device).to(dtype)
    images = max(1, side // 128)
    maps = torch.randn(images, 512, 28, 28, device=device).to(dtype=dtype, memory_format=torch.channels_last)
    kernels = torch.randn(512, 512, 3, 3, device=device).to(dtype=dtype, memory_format=torch.channels_last)
    products: list[tuple[Callable[[], Tensor], int]] = [
        (lambda: matrix @ matrix, 2 * side**3),
        (lambda: F.conv2d(maps, kernels), 2 * images * 26 * 26 * 512 * 512 * 9),
    ]
    count = 20 if device.type == "cuda" else 1
    rates = []
    for product, each in products:
        for _ in range(5):
            started = time.perf_counter()
            for _ in range(count - 1):
                product()
            product().flatten()[0].item()
            rates.append(count * each / (time.perf_counter() - started))
    return max(rates)


def operations(network: str) -> int:
    """FLOPs per image of a training step; the first layer needs no gradient of its input."""
    rows = Net.from_file(ROOT / ("spec" if network == FLAGSHIP else "examples") / f"{network}.net").summary().rows
    layers = [row.multiply_adds for row in rows]
    return 2 * (3 * sum(layers) - layers[0])


def table(
    chosen: Sequence[Peer], timed: Rounds, memory: dict[str, float], batch: int, peaks: Mapping[str, float]
) -> list[str]:
    """The table, with one row per peer, in times of the first one; `peaks` are FLOP/s, by the type of the numbers."""
    rows = [["step", "ms", "images/s", f"times {chosen[0].name}, {chosen[0].numbers}", "share of peak", "memory, MB"]]
    for place, peer in enumerate(chosen):
        seconds = timed.median(str(place))
        rate = batch * operations(peer.network) / seconds
        rows.append(
            [
                f"{peer.name}, {peer.numbers}",
                f"{seconds * 1e3:,.1f}",
                f"{batch / seconds:,.0f}",
                f"{timed.ratio('0', str(place)):.2f}",
                f"{rate / peaks[peer.numbers]:.0%}" if peer.numbers in peaks else "",
                f"{memory[str(place)]:,.0f}",
            ]
        )
    return markdown_table(rows)


def main() -> None:
    """Measure float32, then bfloat16, and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=32, help="batch size; 32 by default")
    parser.add_argument("--rounds", type=int, default=7, help="number of timed steps of each peer; 7 by default")
    parser.add_argument("--device", help="cpu or cuda; by default a GPU if there is one")
    parser.add_argument("--compiled", action="store_true", help="also time the peers with torch.compile")
    given = parser.parse_args()
    device = find_device(given.device)
    lines: list[str] = []
    for name, dtype in (("float32", torch.float32), ("bfloat16", torch.bfloat16)):
        chosen = peers(dtype is torch.bfloat16, given.compiled)
        peak = peak_rate(dtype, device)
        timed, memory = measure(chosen, given.batch, device, given.rounds)
        lines += [
            f"## {name}",
            "",
            f"Peak: {peak / 1e9:,.0f} GFLOP/s, the better of a large matrix product and a large convolution.",
            "",
        ]
        lines += [*table(chosen, timed, memory, given.batch, {chosen[-1].numbers: peak}), ""]
    write_result(
        "step_gpu" if device.type == "cuda" else "step",
        "A training step beside hand-written ones",
        lines[:-1],
        ["torch", "torchvision"],
        [f"Device: {device_text(device)}", f"Batch: {given.batch} images, the same in each step"],
    )


if __name__ == "__main__":
    main()
