"""The options of `alexc train` as values, and the command line that stands for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from alexc.printable import shell_line

from ..network_file import NetworkFile
from .class_balance import Sampler

AUTO: Literal["auto"] = "auto"
SAVE_EVERY = 1000
AMP: dict[str, Literal["bf16", "fp16"]] = {"bfloat16": "bf16", "float16": "fp16"}
_AMP_DTYPES = {short: name for name, short in AMP.items()}


@dataclass(frozen=True)
class FoundSpec:
    """The text of the spec that a network file was compiled from; if it was not found, a note for the user."""

    text: str | None = None
    note: str | None = None


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """The options of `alexc train`; None where the user gave none.

    Attributes:
        network: the network file.
        data: a store or a folder of images; by default the data of the run to resume, else the built-in images.
        spec: the spec of the network file; by default it is looked for by name.
        out: the folder of the run.
        resume: the folder of a run to continue, or a checkpoint in it; "auto" continues the run in `out`, or the newest
            run of the network, and begins a run if there is none.
        weights: a run or a file to start from instead of initial values.
        freeze: layers that are not trained; by default none, or those of the run to resume.
        epochs: by default those of the run to resume, else the recipe's.
        batch: images per step; by default the batch size of the run to resume, else the recipe's.
        lr: replaces the learning rate of the recipe; by default that of the run to resume.
        weight_decay: replaces the weight decay of the recipe; by default that of the run to resume.
        accumulate: micro-batches per batch; by default that of the run to resume, else 1.
        class_weights: `balanced` or a file of weights of the classes in the loss; by default those of the run to
            resume.
        sampler: how an epoch draws images; by default that of the run to resume, else "random".
        amp: replaces the precision of the recipe; by default that of the run to resume.
        steps: stop after this many steps in all.
        seed: the seed of all random draws; by default that of the run to resume, else 0.
        device: by default the first GPU, else the CPU.
        ranks: the number of processes; by default one for each device of the placement.
        workers: threads that prepare batches.
        cache: "device" keeps the images of the store in the memory of the GPU.
        compile: whether to run the network through torch.compile.
        deterministic: whether a GPU uses algorithms that give the same bits in each run.
        tf32: whether a GPU multiplies float32 numbers in TF32.
        save_every: steps between two checkpoints.
        print_freq: steps between two printed lines; by default only epochs are printed.
        tensorboard: whether to write event files for TensorBoard.
        log_wandb: whether to log to Weights & Biases.
        command: the command line of this process, for run.json.
        find_spec: finds the spec of a network file; the second argument is `spec`. It is called by rank 0 only.
    """

    network: Path
    data: Path | None = None
    spec: Path | None = None
    out: Path | None = None
    resume: Path | Literal["auto"] | None = None
    weights: Path | None = None
    freeze: tuple[str, ...] = ()
    epochs: int | None = None
    batch: int | None = None
    lr: float | None = None
    weight_decay: float | None = None
    accumulate: int | None = None
    class_weights: Path | Literal["balanced"] | None = None
    sampler: Sampler | None = None
    amp: Literal["bf16", "fp16"] | None = None
    steps: int | None = None
    seed: int | None = None
    device: str | None = None
    ranks: int | None = None
    workers: int | None = None
    cache: Literal["device"] | None = None
    compile: bool = False
    deterministic: bool = True
    tf32: bool = False
    save_every: int = SAVE_EVERY
    print_freq: int | None = None
    tensorboard: bool = True
    log_wandb: bool = False
    command: tuple[str, ...] = ()
    find_spec: Callable[[NetworkFile, Path | None], FoundSpec] = lambda _file, _spec: FoundSpec()


def command_line(options: TrainOptions) -> list[str]:
    """The arguments of the program `alexc` that give these options; options with their default are left out."""
    network = str(options.network)
    words = ["train", f"./{network}" if network.startswith("-") else network]
    for name, value in (
        ("--data", options.data),
        ("--spec", options.spec),
        ("--out", options.out),
        ("--resume", options.resume),
        ("--weights", options.weights),
        *(("--freeze", layer) for layer in options.freeze),
        ("--epochs", options.epochs),
        ("--batch", options.batch),
        ("--lr", options.lr),
        ("--weight-decay", options.weight_decay),
        ("--accumulate", options.accumulate),
        ("--class-weights", options.class_weights),
        ("--sampler", options.sampler),
        ("--steps", options.steps),
        ("--seed", options.seed),
        ("--device", options.device),
        ("--ranks", options.ranks),
        ("--workers", options.workers),
        ("--cache", options.cache),
        ("--save-every", options.save_every if options.save_every != SAVE_EVERY else None),
        ("--print-freq", options.print_freq),
    ):
        words += [] if value is None else [name, str(value)]
    words += ["--amp", "--amp-dtype", _AMP_DTYPES[options.amp]] if options.amp else []
    words += ["--compile"] if options.compile else []
    words += [] if options.deterministic else ["--no-deterministic"]
    words += ["--tf32"] if options.tf32 else []
    words += ["--log-wandb"] if options.log_wandb else []
    return words if options.tensorboard else [*words, "--no-tensorboard"]


def start_command(network: Path, weights: Path) -> str:
    """The command that begins a new run from the weights of a run or a file, safe to print."""
    return shell_line("alexc", *command_line(TrainOptions(network=network, weights=weights)))


def resume_command(network: Path, run: Path, device: str | None = None, compiled: bool = False) -> str:
    """The command that continues a run, safe to print."""
    options = TrainOptions(network=network, resume=run, device=device, compile=compiled)
    return shell_line("alexc", *command_line(options))
