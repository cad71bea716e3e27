"""What `alexc train` can be asked for."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from alexc.printable import printable

from ..network_file import NetworkFile

AUTO: Literal["auto"] = "auto"


@dataclass(frozen=True)
class FoundSpec:
    """The text of the spec that a network file was made from, where it was found; else what there is to say of that."""

    text: str | None = None
    note: str | None = None


@dataclass(frozen=True)
class TrainOptions:
    """What `alexc train` was asked; None where nothing was said.

    Attributes:
        network: the network file.
        data: a store or a folder of images; by default the built-in images, or what the run to resume was given.
        out: the folder of the run.
        epochs: by default the recipe's, or those of the run to resume.
        batch: images a step, by default the recipe's.
        device: by default the first GPU, else the CPU.
        workers: threads that prepare batches.
        resume: a run's folder, or a checkpoint in one, to go on with; "auto" goes on with the run in `out`, or with the
            newest one of the network, where there is one.
        seed: of every draw, by default 0.
        save_every: steps from one checkpoint to the next.
        ranks: how many processes train; by default as many as the placement of the file has devices.
        command: the command line, for the record.
        weights: a run or a file to start from in place of initial values.
        freeze: layers that stay as they are; by default none, or those of the run to resume.
        amp: "bf16" or "fp16" in place of the precision of the recipe, or of the run to resume.
        accumulate: into how many parts each batch is cut, by default one, or as in the run to resume.
        print_freq: steps from one printed line to the next; by default there are none.
        tensorboard: whether event files are written.
        compile: whether the network runs code that torch.compile makes of it.
        log_wandb: whether Weights & Biases is told, too.
        find_spec: finds the spec of the network file, asked by one process; for a file written by hand there is none.
    """

    network: Path
    data: Path | None
    out: Path | None
    epochs: int | None
    batch: int | None
    device: str | None
    workers: int | None
    resume: Path | Literal["auto"] | None
    seed: int | None
    save_every: int
    ranks: int | None
    command: tuple[str, ...]
    weights: Path | None = None
    freeze: tuple[str, ...] = ()
    amp: Literal["bf16", "fp16"] | None = None
    accumulate: int | None = None
    print_freq: int | None = None
    tensorboard: bool = True
    compile: bool = False
    log_wandb: bool = False
    find_spec: Callable[[NetworkFile], FoundSpec] = lambda _: FoundSpec()


def resume_command(network: Path, run: Path, device: str | None = None, compiled: bool = False) -> str:
    """The command that goes on with a run, safe to print."""
    words = ["alexc", "train", str(network), "--resume", str(run)]
    words += ["--device", device] if device else []
    return printable(shlex.join([*words, *(["--compile"] if compiled else [])]))
