"""Measures the training of AlexNet on several devices against one process: bytes, seconds and memory.

`python -m benchmarks.scale` writes benchmarks/results/scale.md: the spec's placements, and plain data parallelism on
two devices. On a machine with several GPUs each rank has one of its own and NCCL joins them; else they share the cores
of the processor and gloo joins them.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from alexc.compiler.files.pytorch import write_pytorch
from alexc.compiler.pipeline import check_file
from alexc.compiler.placed_graph.place import place
from alexc.compiler.placed_graph.placed_graph import PlacedGraph
from alexc.compiler.placed_graph.plan import Plan, UnevenBatch, data_parallel, messages_of, plan
from alexc.runtime.cores import available_cores
from alexc.runtime.doctor.machine import memory_here
from alexc.runtime.progress import Progress
from benchmarks.peak_memory import peak_kilobytes
from benchmarks.result_file import markdown_table, write_result
from benchmarks.side_by_side import Rounds, run_rounds
from benchmarks.trainee import MeteredStep, Setting, Trainee
from benchmarks.workers import Worker, ask_all

SPEC = Path(__file__).resolve().parents[1] / "spec" / "alexnet.net"
ALONE = "one process"
ROUNDS, STEPS, METERED_STEPS = 5, 3, 5
VALUE_BYTES = 4
TIMEOUT = 900.0  # seconds for each call of a rank
OVERHEAD = 700e6  # bytes of a process besides those of the plan
BYTES = ("placement", "mesh", "collectives", "planned, bytes", "measured, bytes", "as planned")
TIMES = (
    "",
    "ranks",
    "s a step",
    "x one process",
    "least to most",
    "images/s",
    "a core or GPU",
    "core s a step",
    "in collectives",
)
MEMORY = ("", "ranks", "largest rank, MB", "x one process", "all ranks, MB")


@dataclass(frozen=True)
class Ran:
    """The measurements of the processes of a training.

    Attributes:
        setting: the options that all of them share.
        steps: for each rank, steps with recorded collectives.
        peaks: for each rank, its peak memory in bytes: resident, or in tensors on its GPU.
    """

    setting: Setting
    steps: Sequence[Sequence[MeteredStep]]
    peaks: Sequence[int]

    def sent(self, rank: int) -> int:
        """Bytes that a rank sent per step."""
        return sum(each.sent for each in self.steps[rank][-1].issued)

    def share_in_collectives(self) -> float:
        """The share of a step that its collectives take, 0..1: the median over steps and ranks."""
        return statistics.median(step.seconds_in_collectives / step.seconds for steps in self.steps for step in steps)

    def in_words(self) -> str:
        """The number of processes, and the device of each."""
        threads = self.setting.threads
        each = "1 GPU" if self.setting.gpus else f"{threads} thread{'s' if threads > 1 else ''}"
        return f"{self.setting.ranks} x {each}"


def placements() -> dict[str, PlacedGraph]:
    """The placements of the spec, and data parallelism on two devices."""
    checked = check_file(SPEC)
    assert checked.graph is not None, checked.diagnostics
    copies, _ = place(checked.graph, data_parallel(checked.graph, 2))
    assert copies is not None
    return {**checked.placed, "images over 2": copies}


def settings(folder: Path, placed: Mapping[str, PlacedGraph], batch: int) -> dict[str, Setting]:
    """The setting of one process and of each placement; writes their network files into a folder."""
    graph = next(iter(placed.values())).graph
    gpus = torch.cuda.device_count()
    found = {}
    for name, each in {ALONE: None, **placed}.items():
        network = folder / f"{name}.py"
        network.write_text(write_pytorch(graph, SPEC.name, each), encoding="utf-8")
        ranks = each.devices if each else 1
        threads = max(1, available_cores() // ranks)
        found[name] = Setting(network, ranks, batch, threads, 1 < gpus >= ranks, folder / f"{name}.meeting")
    return found


@contextmanager
def team(name: str, setting: Setting) -> Iterator[list[Worker[Trainee]]]:
    """Start the processes of a training, and end them afterwards."""
    workers = [Worker(f"{name}, rank {rank}", Trainee, rank, setting) for rank in range(setting.ranks)]
    try:
        yield workers
        ask_all(workers, TIMEOUT, Trainee.leave)
    finally:
        for worker in workers:
            worker.end()


def watched(workers: Sequence[Worker[Trainee]], setting: Setting, steps: int) -> Ran:
    """Run steps with recorded collectives, and measure the peak memory before them."""
    if setting.gpus:
        peaks = ask_all(workers, TIMEOUT, Trainee.peak_gpu_bytes)
    else:
        peaks = [peak_kilobytes(worker.pid) * 1024 for worker in workers]
    by_step = [ask_all(workers, TIMEOUT, Trainee.metered_step) for _ in range(steps)]
    return Ran(setting, list(zip(*by_step, strict=True)), peaks)


def _train_steps(workers: list[Worker[Trainee]]) -> object:
    return ask_all(workers, TIMEOUT, Trainee.train, STEPS)


def side_by_side(timed: Mapping[str, Setting]) -> tuple[Rounds, dict[str, float], dict[str, Ran]]:
    """Time blocks of steps of each setting in turn; all processes stay alive from the first round to the last.

    Returns:
        The rounds; of each peer the seconds of processor time that a step took, of all ranks; and what else it did.
    """
    with ExitStack() as alive:
        teams = {name: alive.enter_context(team(name, setting)) for name, setting in timed.items()}
        peers: dict[str, Callable[[], object]] = {
            name: partial(_train_steps, workers) for name, workers in teams.items()
        }
        begun = {name: sum(ask_all(workers, TIMEOUT, Trainee.processor_seconds)) for name, workers in teams.items()}
        rounds = run_rounds(peers, ROUNDS, "timing")
        spent = {name: sum(ask_all(workers, TIMEOUT, Trainee.processor_seconds)) for name, workers in teams.items()}
        steps = (ROUNDS + 1) * STEPS
        each = {name: (spent[name] - begun[name]) / steps for name in teams}
        return rounds, each, {name: watched(workers, timed[name], METERED_STEPS) for name, workers in teams.items()}


def one_after_the_other(untimed: Mapping[str, Setting]) -> dict[str, Ran]:
    """Run one step of each setting as a warm-up, and one with recorded collectives."""
    ran = {}
    with Progress("watching", len(untimed), "placements") as progress:
        for name, setting in untimed.items():
            with team(name, setting) as workers:
                ask_all(workers, TIMEOUT, Trainee.train, 1)
                ran[name] = watched(workers, setting, 1)
            progress.advance()
    return ran


def main() -> None:
    """Train with each placement for a few steps, and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=32, help="batch size over all devices; default 32")
    batch = parser.parse_args().batch
    load = os.getloadavg()[0]
    placed = placements()
    try:
        plans = {name: plan(each, batch, VALUE_BYTES) for name, each in placed.items()}
    except UnevenBatch as uneven:
        parser.error(f"--batch {batch}: {uneven.devices} devices cannot share it evenly")
    with tempfile.TemporaryDirectory() as folder:
        found = settings(Path(folder), placed, batch)
        timed = {name: each for name, each in found.items() if each.gpus or each.ranks <= available_cores()}
        rounds, processor, ran = side_by_side(timed)
        ran |= one_after_the_other(
            {name: each for name, each in found.items() if name not in timed and _has_room(plans[name])}
        )
    left_out = [name for name in placed if name not in ran]
    lines = [*_bytes(plans, ran), *_times(rounds, processor, ran), *_memory(ran), *_left_out(left_out)]
    write_result("scale", "The flagship on several devices", lines, ["torch"], _facts(batch, load, ran))


def _has_room(made: Plan) -> bool:
    """Whether all processes of a placement fit into the free memory, if the system reports it."""
    needed = made.placed.devices * (max(map(made.memory, made.devices)) + OVERHEAD)
    return needed <= memory_here().free


def _facts(batch: int, load: float, ran: Mapping[str, Ran]) -> list[str]:
    gpus = any(each.setting.gpus for each in ran.values())
    joined = (
        f"NCCL, {torch.cuda.get_device_name(0)}; gloo for meshes larger than the number of GPUs"
        if gpus
        else "gloo, on the cores of the processor; no GPU"
    )
    return [
        f"Load of the machine when it began: {load:.1f}; a free one has 0",
        f"Backend: {joined}",
        f"Batch: {batch} images over all devices, float32, full size (3x227x227)",
    ]


def _bytes(plans: Mapping[str, Plan], ran: Mapping[str, Ran]) -> list[str]:
    rows: list[tuple[str, ...]] = [BYTES]
    for name, made in plans.items():
        if name in ran:
            placed, ranks = made.placed, range(made.placed.devices)
            measured = [ran[name].sent(rank) for rank in ranks]
            messages = [messages_of(placed, rank, made.batch, VALUE_BYTES) for rank in ranks]
            planned = [sum(message.sent for message in each) for each in messages]
            mesh = " ".join(f"{axis.name}={axis.devices}" for axis in placed.mesh)
            collectives = str(len(ran[name].steps[0][-1].issued))
            alike = "every rank" if measured == planned else "NO"
            rows.append((name, mesh, collectives, f"{max(planned):,}", f"{max(measured):,}", alike))
    return [
        "## Bytes that a device sends in a step",
        "",
        *_wrapped(
            "Planned: what `alexc plan` counts. Measured: over all collectives that a step really issued, told by a"
            " recorder beneath them. Both are of the device that sends most, and of logical bytes: what a library sends"
            " on the wire can be more. Gradients travel in buckets of several layers. `alexc train` hands over 32 bytes"
            " more in a step, by which all ranks know the loss."
        ),
        "",
        *markdown_table(rows, text_columns=2),
        "",
    ]


def _times(rounds: Rounds, processor: Mapping[str, float], ran: Mapping[str, Ran]) -> list[str]:
    rows: list[tuple[str, ...]] = [TIMES]
    for name in rounds.seconds:
        setting, seconds = ran[name].setting, rounds.median(name) / STEPS
        units = setting.ranks * (1 if setting.gpus else setting.threads)
        least, most = rounds.spread(name, ALONE)
        others = name != ALONE
        rows.append(
            (
                name,
                ran[name].in_words(),
                f"{seconds:.3f}",
                f"{rounds.ratio(name, ALONE):.2f}",
                f"{least:.2f} to {most:.2f}" if others else "-",
                f"{setting.batch / seconds:,.1f}",
                f"{setting.batch / seconds / units:,.1f}",
                f"{processor[name]:.2f}",
                f"{100 * ran[name].share_in_collectives():.1f} %" if others else "-",
            )
        )
    return [
        "## Seconds",
        "",
        *_wrapped(_meaning_of_ratio(ran[ALONE].setting)),
        "",
        *markdown_table(rows, text_columns=2),
        "",
        *_wrapped(
            f"Forward pass, loss, backward pass, sums of gradients and update; no images are read. {ROUNDS} rounds of"
            f" blocks of {STEPS} steps in turns, all processes alive throughout: medians, and medians of the ratios"
            f" within a round. In collectives: their share of a step, the median of {METERED_STEPS} further steps in"
            " which each is waited for where it is issued; waiting for a rank that is later counts."
        ),
        "",
    ]


def _meaning_of_ratio(alone: Setting) -> str:
    if alone.gpus:
        return (
            "Each rank has a GPU of its own, the one process has one: a ratio below 1 is a speed-up, and one over the"
            " number of ranks is all that there is to gain."
        )
    return (
        f"**No speed-up can be shown here.** The ranks share the {alone.threads} cores all of which the one process"
        " uses, too: there is no more to compute with, and exchanges come on top. The ratio tells what those cost, and"
        " nothing of how fast devices of their own would be; below 1 it tells how badly the threads of one process"
        " share the work, or that the machine had other work meanwhile. Core seconds are those of all ranks together;"
        " threads that wait may spin, and count."
    )


def _memory(ran: Mapping[str, Ran]) -> list[str]:
    alone = ran[ALONE].peaks[0]
    rows: list[tuple[str, ...]] = [MEMORY]
    for name, each in ran.items():
        largest = max(each.peaks)
        whole = sum(each.peaks)
        rows.append((name, each.in_words(), f"{largest / 1e6:,.0f}", f"{largest / alone:.2f}", f"{whole / 1e6:,.0f}"))
    return [
        "## Peak memory",
        "",
        "The most that a process held in tensors on its GPU; resident, where it has none."
        if ran[ALONE].setting.gpus
        else "The most that a process had resident, Python and torch counted.",
        "",
        *markdown_table(rows, text_columns=2),
    ]


def _left_out(names: Sequence[str]) -> list[str]:
    return ["", f"Left out, for want of memory: {', '.join(names)}."] if names else []


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, 118)


if __name__ == "__main__":
    main()
