"""Measures alexc on a GPU, the most important first, and stops in time.

`python -m benchmarks.gpu --minutes 7` writes benchmarks/results/gpu.md, after each part anew. With `--images` (a folder
of CIFAR-10 with train/CLASS/ and test/CLASS/) it also trains. `--device cpu --quick` goes through all parts on a CPU,
with tiny numbers that mean nothing, and writes no page.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from itertools import repeat
from pathlib import Path
from statistics import median

import numpy as np
import torch
from torch import Tensor, nn

from alexc.runtime.data.batch_loader import Batch, groups_of
from alexc.runtime.data.random_streams import epoch_order
from alexc.runtime.device import choose_arithmetic, device_text, find_device
from alexc.runtime.layers.fast_convolution import FastConv2d
from alexc.runtime.layers.local_response_norm import LocalResponseNorm
from alexc.runtime.runs.metrics import read_metrics
from alexc.runtime.training.options import TrainOptions
from alexc.runtime.training.set_up import set_up
from alexc.runtime.training.trainer import Trainer
from benchmarks.normalisation import SIZES, TorchsNorm, forward_and_backward, input_of
from benchmarks.result_file import markdown_table, write_result
from benchmarks.side_by_side import Rounds
from benchmarks.step import FLAGSHIP, ROOT, TORCHVISIONS, Peer, measure, noise_store, peak_rate, table

TESTS = (
    "tests/runtime/test_kernels.py",
    "tests/data/test_device_rendering.py",
    "tests/runtime/test_fast_convolution.py",
    "tests/runtime/test_flagship.py",
    "tests/runtime/test_placement_gpu.py",
)
QUICK_PEERS = (Peer("by hand", FLAGSHIP, "hand"), Peer("alexc", FLAGSHIP, "alexc"))
IMAGENET, EPOCHS = 1_281_167, 90
CONVOLUTIONS = {  # of AlexNet: channels, kernels, size, stride, padding, groups, and the side of the input
    "conv1": (3, 96, 11, 4, 0, 1, 227),
    "conv2": (96, 256, 5, 1, 2, 2, 27),
    "conv4": (384, 384, 3, 1, 1, 2, 13),
    "conv5": (384, 256, 3, 1, 1, 2, 13),
}


@dataclass(frozen=True)
class Machine:
    """Where and how much is measured.

    Attributes:
        device: the device.
        quick: whether to go through everything with tiny sizes.
        images: a folder of CIFAR-10; None if there is none.
        folder: for what the parts write.
        ends: when everything must be done, by `time.monotonic`.
    """

    device: torch.device
    quick: bool
    images: Path | None
    folder: Path
    ends: float

    @property
    def batch(self) -> int:
        """Images at a time."""
        return 1 if self.quick else 128

    def left(self) -> float:
        """Seconds until everything must be done."""
        return self.ends - time.monotonic()


@dataclass(frozen=True)
class Part:
    """A part of the page: its title, the seconds that it takes on an H200, and what measures it."""

    title: str
    seconds: float
    measure: Callable[[Machine], Sequence[str]]


def main() -> None:
    """Measure what there is time for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=7.0, help="stop in this time; 7 by default")
    parser.add_argument("--device", help="cpu or cuda; by default a GPU if there is one")
    parser.add_argument("--quick", action="store_true", help="tiny sizes: shows that everything works")
    parser.add_argument("--images", type=Path, help="a folder of CIFAR-10 with train/CLASS/ and test/CLASS/")
    given = parser.parse_args()
    device = find_device(given.device)
    if device.type != "cuda" and not given.quick:
        parser.error("torch finds no GPU here; --device cpu --quick goes through all parts without one")
    lines: list[str] = []
    with tempfile.TemporaryDirectory() as name:
        ends = time.monotonic() + 60 * given.minutes
        machine = Machine(device, given.quick, given.images, Path(name), ends)
        for part in PARTS:
            started = time.monotonic()
            made = [f"## {part.title}", "", *_measured(part, machine), ""]
            print(f"{part.title}: {time.monotonic() - started:.0f} s", flush=True)
            lines += made
            if given.quick:
                print("\n".join(made))
            else:
                facts = [f"Device: {device_text(device)}"]
                write_result("gpu", "AlexNet on a GPU", lines[:-1], ["torch", "triton"], facts)


def _measured(part: Part, machine: Machine) -> Sequence[str]:
    if machine.quick:
        return part.measure(machine)
    if machine.left() < part.seconds:
        return [f"Not measured: {machine.left():.0f} s were left, and it takes about {part.seconds:.0f} s."]
    try:
        return part.measure(machine)
    except Exception as error:
        return [f"Failed: {type(error).__name__}: {str(error)[-1500:]}"]


def machine_limits(machine: Machine) -> list[str]:
    """The rates that nothing can exceed."""
    device, rows = machine.device, [["limit", "measured"]]
    if device.type == "cuda":
        for name, dtype, tf32 in (("float32", torch.float32, False), ("TF32", torch.float32, True)):
            choose_arithmetic(device, deterministic=False, tf32=tf32)
            rows.append([f"product or convolution, {name}", f"{peak_rate(dtype, device) / 1e12:,.0f} TFLOP/s"])
        choose_arithmetic(device, deterministic=False)
        rows.append(["product or convolution, bf16", f"{peak_rate(torch.bfloat16, device) / 1e12:,.0f} TFLOP/s"])
    source = torch.empty(2**20 if machine.quick else 2**30, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    seconds = seconds_of(lambda: target.copy_(source), machine)
    rows.append(["copy within the memory, bytes read and written", f"{2 * len(source) / seconds / 1e12:,.2f} TB/s"])
    if device.type == "cuda":
        pinned = torch.empty(2**28, dtype=torch.uint8, pin_memory=True)
        seconds = seconds_of(lambda: target[: len(pinned)].copy_(pinned, non_blocking=True), machine)
        rows.append(["copy from page-locked memory", f"{len(pinned) / seconds / 1e9:,.0f} GB/s"])
    return markdown_table(rows)


def steps_in_bf16(machine: Machine) -> list[str]:
    """A training step beside hand-written ones."""
    chosen = [
        Peer("by hand", FLAGSHIP, "hand", bf16=True),
        Peer("by hand, channels last", FLAGSHIP, "hand", bf16=True, channels_last=True),
        Peer("alexc", FLAGSHIP, "alexc", bf16=True, deterministic=True),
        Peer("alexc --no-deterministic", FLAGSHIP, "alexc", bf16=True),
        Peer("torchvision's alexnet, channels last", TORCHVISIONS, "hand", bf16=True, channels_last=True),
        Peer("the same by alexc --no-deterministic", TORCHVISIONS, "alexc", bf16=True),
    ]
    return _steps(machine, chosen, 128)


def compiled_steps(machine: Machine) -> list[str]:
    """The same steps with torch.compile."""
    chosen = [
        Peer("by hand", FLAGSHIP, "hand", bf16=True),
        Peer("by hand, channels last, compiled", FLAGSHIP, "hand", bf16=True, channels_last=True, compiled=True),
        Peer("alexc --compile", FLAGSHIP, "alexc", bf16=True, compiled=True, deterministic=True),
        Peer("alexc --compile --no-deterministic", FLAGSHIP, "alexc", bf16=True, compiled=True),
    ]
    return _steps(machine, chosen, 128)


def steps_in_float32(machine: Machine) -> list[str]:
    """Steps in float32, and in float32 with products in TF32."""
    chosen = [
        Peer("by hand", FLAGSHIP, "hand"),
        Peer("alexc --no-deterministic", FLAGSHIP, "alexc"),
        Peer("by hand", FLAGSHIP, "hand", tf32=True),
        Peer("alexc --tf32 --no-deterministic", FLAGSHIP, "alexc", tf32=True),
    ]
    return _steps(machine, chosen, 128)


def larger_steps(machine: Machine) -> list[str]:
    """Steps of 512 images."""
    chosen = [
        Peer("by hand, channels last", FLAGSHIP, "hand", True, channels_last=True),
        Peer("alexc --no-deterministic", FLAGSHIP, "alexc", True),
    ]
    return _steps(machine, chosen, 512)


def _steps(machine: Machine, chosen: Sequence[Peer], batch: int) -> list[str]:
    if machine.quick:
        batch, chosen = 1, QUICK_PEERS
    peaks = {}
    for each in chosen:
        if each.numbers not in peaks:
            choose_arithmetic(machine.device, deterministic=False, tf32=each.tf32)
            dtype = torch.bfloat16 if each.bf16 else torch.float32
            peaks[each.numbers] = peak_rate(dtype, machine.device, 256 if machine.quick else 4096)
    if machine.quick:
        timed, memory = _measured_once(machine.device)
    else:
        timed, memory = measure(chosen, batch, machine.device, 5)
    best, rival = (
        min(
            (timed.median(str(place)), f"{peer.name}, {peer.numbers}")
            for place, peer in enumerate(chosen)
            if peer.by == author and peer.network == FLAGSHIP
        )
        for author in ("alexc", "hand")
    )
    hours = IMAGENET / batch * EPOCHS * best[0] / 3600
    return [
        *table(chosen, timed, memory, batch, peaks),
        "",
        f"Steps of {batch} images that lie on the device. Of the network of 2012, the fastest step by hand",
        f"({rival[1]}) takes {rival[0] / best[0]:.2f} times as long as the fastest of alexc ({best[1]}).",
        f"{EPOCHS} epochs of ImageNet would take {hours:,.1f} hours at its rate: extrapolated, not run.",
    ]


@cache
def _measured_once(device: torch.device) -> tuple[Rounds, dict[str, float]]:
    """The same for all parts with steps, because the sizes mean nothing."""
    return measure(QUICK_PEERS, 1, device, 1)


def normalisation(machine: Machine) -> list[str]:
    """The kernels of the layer beside torch's layer, eager and compiled, and beside a copy."""
    rows = [["layer", "memory", "type", "copy, µs", "forward", "both passes", "torch's layer, both", "compiled, both"]]
    formats = {"channels last": torch.channels_last, "NCHW": torch.contiguous_format}
    choose_arithmetic(machine.device, deterministic=False)
    compiled = TorchsNorm()
    if machine.device.type == "cuda":
        compiled.compile(dynamic=False)
    for layer in SIZES:
        for memory, memory_format in formats.items():
            for name, dtype in (("bf16", torch.bfloat16), ("float32", torch.float32)):
                x = input_of(layer, machine.batch, memory_format, dtype).detach().to(machine.device)
                y, gradient, kept = torch.empty_like(x), torch.randn_like(x), x.clone().requires_grad_()
                own = LocalResponseNorm(5, 1e-4, 0.75, 2.0, towers=2)
                passes: list[Callable[[], object]] = [
                    partial(y.copy_, x),
                    partial(own, x),
                    *(partial(forward_and_backward, norm, kept, gradient) for norm in (own, TorchsNorm(), compiled)),
                ]
                rows.append([layer, memory, name, *(f"{seconds_of(each, machine) * 1e6:,.0f}" for each in passes)])
    return [
        *markdown_table(rows, text_columns=3),
        "",
        "A forward pass must move the bytes of one copy, a backward pass those of one and a half: at least 2.5 copies",
        "for both together.",
    ]


def convolutions(machine: Machine) -> list[str]:
    """Forward and backward pass of AlexNet's convolutions in bf16, as torch has them and as alexc computes them."""
    rows = [["layer", "search", "torch, µs", "alexc, µs", "torch / alexc"]]
    for name, (channels, kernels, size, stride, padding, groups, side) in CONVOLUTIONS.items():
        x = torch.randn(machine.batch, channels, side, side, device=machine.device)
        dtype = torch.float32 if machine.quick else torch.bfloat16
        x = x.to(dtype=dtype, memory_format=torch.channels_last).requires_grad_(name != "conv1")
        for deterministic in (True, False):
            choose_arithmetic(machine.device, deterministic)
            took = []
            for kind in (nn.Conv2d, FastConv2d):
                layer = nn.Conv2d(channels, kernels, size, stride, padding, groups=groups)
                layer.__class__ = kind
                layer = layer.to(machine.device, dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]
                took.append(seconds_of(partial(_both_passes, layer, x, torch.randn_like(layer(x))), machine))
            rows.append(
                [
                    name,
                    "deterministic" if deterministic else "fastest",
                    *(f"{each * 1e6:,.0f}" for each in took),
                    f"{took[0] / took[1]:.2f}",
                ]
            )
    return markdown_table(rows, text_columns=2)


def _both_passes(layer: nn.Module, x: Tensor, gradient: Tensor) -> None:
    torch.autograd.grad(layer(x), [*layer.parameters(), *([x] if x.requires_grad else [])], gradient)


def feeding(machine: Machine) -> list[str]:
    """Steps on real images, from a raw store in memory, beside steps on images that lie on the device."""
    threads, times = (1, 1) if machine.quick else (8, 8)
    network = machine.folder / f"{FLAGSHIP}.py"
    text = (ROOT / "generated" / network.name).read_text(encoding="utf-8")
    network.write_text(text.replace("lr=0.01", "lr=1e-6"), encoding="utf-8")  # nothing can be learned from noise
    options = TrainOptions(
        network=network,
        data=noise_store(machine.folder / "feed", 4 if machine.quick else 1024),
        out=machine.folder / "run",
        batch=machine.batch,
        device=str(machine.device),
        amp=None if machine.quick else "bf16",
        deterministic=False,
        workers=threads,
    )
    with set_up(options) as trainer:
        _rate(trainer, _batches_of(trainer, 0, times))  # warms up
        fed, waited = _rate(trainer, _batches_of(trainer, 1, times))
        started = time.perf_counter()
        *_, last = _batches_of(trainer, 2, times)
        float(last.images.flatten()[0])
        alone = times * len(trainer.data.store.train) / (time.perf_counter() - started)
        synthetic, _ = _rate(trainer, repeat(last, 2 if machine.quick else 100))
    rows = [
        ["", "images/s"],
        ["steps on images of the store", f"{fed:,.0f}"],
        ["steps on a batch that lies on the device", f"{synthetic:,.0f}"],
        [f"feeding alone, {threads} threads", f"{alone:,.0f}"],
    ]
    share = f"Waiting for data takes {waited:.1%} of the time of the steps on images of the store."
    return [*markdown_table(rows), "", share]


def _batches_of(trainer: Trainer, epoch: int, times: int) -> Iterator[Batch]:
    """The batches of so many epochs without a pause between them."""
    data = trainer.data
    order = epoch_order(0, epoch, len(data.store.train))
    groups = groups_of(np.tile(order, times), trainer.settings.recipe.batch)
    return data.loader.batches(data.store.train, groups, data.views.of_epoch(epoch, order).take)


def _rate(trainer: Trainer, batches: Iterator[Batch]) -> tuple[float, float]:
    """Images per second of steps on these batches, and the share of the time in which no batch is there."""
    shown, waited = 0, 0.0
    started = asked = time.perf_counter()
    for batch in batches:
        waited += time.perf_counter() - asked
        list(trainer.take_step(batch.count, [(batch, True)], lambda: False))
        shown += batch.count
        asked = time.perf_counter()
    list(trainer.results(lambda: False))
    seconds = time.perf_counter() - started
    return shown / seconds, waited / seconds


def tests_on_the_device(machine: Machine) -> list[str]:
    """The tests that run differently where there is a GPU."""
    files = TESTS[:1] if machine.quick else TESTS
    command = [sys.executable, "-m", "pytest", "-q", *files, *(["--collect-only"] if machine.quick else [])]
    limit = max(10.0, machine.left())
    wide = os.environ | {"COLUMNS": "200"}  # pytest cuts off reasons at the width of the terminal
    done = subprocess.run(  # noqa: S603
        command, cwd=ROOT, env=wide, capture_output=True, text=True, timeout=limit, check=False
    )
    failed = re.findall(r"^FAILED .*$", done.stdout, re.MULTILINE)
    if failed:
        print(done.stdout)
    return [f"`pytest {' '.join(files)}`: {done.stdout.strip().splitlines()[-1]}", *failed]


def cifar_by_its_recipe(machine: Machine) -> list[str]:
    """CIFAR-10's 18 % network by its whole recipe, from three seeds at the same time."""
    if machine.images is None and not machine.quick:
        return ["Not measured: `--images` names no folder of CIFAR-10."]
    data = [] if machine.images is None else ["--data", str(machine.images)]
    short = ["--steps", "1", "--device", "cpu"] if machine.quick else ["--device", str(machine.device)]
    network = machine.folder / "cifar_18pct.py"
    _run("compile", ROOT / "examples" / "cifar_18pct.net", "-o", machine.folder)
    if data:
        _run("train", network, *data, *short, "--steps", "1", "--out", machine.folder / "prepares")
    started = time.perf_counter()
    curves = _curves_of_seeds(machine, range(1 if machine.quick else 3), ["train", network, *data, *short])
    if machine.quick:
        return [f"{len(curves)} run, {len(curves[0])} epochs"]
    rows = [["seed", "epochs", "after a quarter", "after half", "at the end", "best"]]
    for seed, curve in curves.items():
        shown = (curve[len(curve) // 4], curve[len(curve) // 2], curve[-1], min(curve))
        rows.append([str(seed), str(len(curve)), *(f"{error:.1%}" for error in shown)])
    seconds = time.perf_counter() - started
    return [
        *markdown_table(rows),
        "",
        f"Validation error of one view; the three ran side by side in {seconds:,.0f} s. Images in JPEG give other",
        "errors than the original ones.",
    ]


def _curves_of_seeds(machine: Machine, seeds: Sequence[int], command: Sequence[object]) -> dict[int, list[float]]:
    """Run a training for each seed, all at the same time; returns for each seed the validation errors of its epochs."""
    folders = {seed: machine.folder / f"cifar-{seed}" for seed in seeds}
    runs = [
        subprocess.Popen(_command(*command, "--seed", seed, "--out", folder))  # noqa: S603 - ours
        for seed, folder in folders.items()
    ]
    try:
        for run in runs:
            run.wait(max(1.0, machine.left()))
    finally:
        for run in runs:
            run.kill()
    return {
        seed: [record["val_error"] for record in read_metrics(folder / "metrics.jsonl") if record["kind"] == "epoch"]
        for seed, folder in folders.items()
    }


def seconds_of(run: Callable[[], object], machine: Machine) -> float:
    """The median seconds of a call; of a GPU without the time to launch it, which a graph does not need."""
    if machine.device.type != "cuda":
        run()
        started = time.perf_counter()
        run()
        return time.perf_counter() - started
    for _ in range(3):
        run()
    torch.cuda.synchronize()
    count = 10
    stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        run()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=stream):
            for _ in range(count):
                run()
    times = []
    for _ in range(7):
        start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        start.record()
        graph.replay()
        end.record()
        torch.cuda.synchronize()
        times.append(float(start.elapsed_time(end)) / 1e3 / count)
    return median(times)


def _run(*arguments: object) -> None:
    subprocess.run(_command(*arguments), check=True, capture_output=True)  # noqa: S603 - ours


def _command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "alexc", *map(str, arguments)]


PARTS = (
    Part("Limits of the machine", 10, machine_limits),
    Part("A training step in bfloat16", 40, steps_in_bf16),
    Part("Convolutions", 15, convolutions),
    Part("Local response normalisation", 25, normalisation),
    Part("Feeding", 30, feeding),
    Part("A compiled training step in bfloat16", 70, compiled_steps),
    Part("A training step in float32 and TF32", 30, steps_in_float32),
    Part("Tests", 60, tests_on_the_device),
    Part("A training step of 512 images", 30, larger_steps),
    Part("CIFAR-10 by the recipe of cuda-convnet", 150, cifar_by_its_recipe),
)

if __name__ == "__main__":
    main()
