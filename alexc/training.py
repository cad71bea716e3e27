"""Trains a network from Python, with the function that `alexc train` calls."""

from __future__ import annotations

import signal
from contextlib import suppress
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict, get_args, get_type_hints

from alexc.compiler.text.fixes import did_you_mean
from alexc.runtime.allocator import keep_freed_memory
from alexc.runtime.data.store import Store
from alexc.runtime.device import settings_of_torch_kept
from alexc.runtime.errors import UserError
from alexc.runtime.files import write_error, write_text
from alexc.runtime.folder_lock import LOCK
from alexc.runtime.notebook import one_bar
from alexc.runtime.runs.run_folder import RunFolder, check_new, new_run_path
from alexc.runtime.training.class_balance import BALANCED
from alexc.runtime.training.command import run_training
from alexc.runtime.training.options import AMP, TrainOptions, command_line

from .net_recipe import recipe_of
from .printable import printable
from .run import Run

if TYPE_CHECKING:
    from .net import Net

_SIGNAL = 128  # an exit code above it is of a signal
_LEAST = {"seed": 0} | dict.fromkeys(
    ("epochs", "batch", "steps", "workers", "accumulate", "save_every", "print_freq", "ranks"), 1
)
_PATHS = ("out", "weights", "class_weights")


class Options(TypedDict, total=False):
    """The options of a training, those of `alexc train`; each has the default of the command.

    Attributes:
        epochs: train for this many epochs in total.
        batch: the batch size, over all processes.
        steps: stop after this many steps in total.
        seed: the random seed.
        lr: the learning rate; its schedule stays.
        weight_decay: the weight decay.
        device: "cpu", "cuda", "cuda:1" or "mps".
        workers: data loader threads.
        weights: a run or a file to start from.
        freeze: the names of layers that are not trained.
        amp: mixed precision in this type.
        accumulate: accumulate gradients over this many micro-batches.
        class_weights: "balanced", or a CSV file with the columns class and weight.
        sampler: how an epoch draws images.
        compile: compile the network with torch.compile.
        cache: "device" keeps the images in the memory of the GPU.
        deterministic: get the same bits in each run on a GPU.
        tf32: let a GPU multiply float32 numbers in TF32.
        ranks: the number of training processes; by default the devices of the placement.
        save_every: write a checkpoint every so many steps.
        print_freq: print a line every so many steps.
        tensorboard: write event files for TensorBoard.
        log_wandb: log to Weights & Biases.
    """

    epochs: int
    batch: int
    steps: int
    seed: int
    lr: float
    weight_decay: float
    device: str
    workers: int
    weights: str | PathLike[str]
    freeze: tuple[str, ...] | list[str]
    amp: Literal["bfloat16", "float16"]
    accumulate: int
    class_weights: str | PathLike[str]
    sampler: Literal["random", "weighted"]
    compile: bool
    cache: Literal["device"]
    deterministic: bool
    tf32: bool
    ranks: int
    save_every: int
    print_freq: int
    tensorboard: bool
    log_wandb: bool


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, or the interruption of a notebook's kernel, stopped a training; a checkpoint is saved.

    Attributes:
        run: the run, with everything that was done.
    """

    def __init__(self, run: Run) -> None:
        super().__init__(f'the training was stopped and saved; continue with Run("{printable(run.path)}").resume()')
        self.run = run

    def _render_traceback_(self) -> list[str]:
        """The lines that IPython and Jupyter show instead of a traceback, which would only point into alexc."""
        return [str(self)]


Interrupted.__module__ = "alexc"


def train(
    net: Net,
    data: str | PathLike[str] | Store | None,
    out: str | PathLike[str] | None,
    placement: str | None,
    options: Options,
) -> Run:
    """Compile a network into the folder of a new run, and train it there.

    Args:
        net: the network.
        data: a folder of images, a store, or what `Net.prepare` returns; None for the built-in images.
        out: the folder of the run; by default a new one under runs/.
        placement: the placement to train on; None for one device.
        options: other options.

    Raises:
        UserError: something does not fit, or the training cannot continue.
        Interrupted: Ctrl-C stopped the training.
    """
    recipe_of(net)
    text = net.python(placement)
    folder = RunFolder(new_run_path(net.graph.net.name) if out is None else Path(out))
    images = data.path if isinstance(data, Store) else None if data is None else Path(data)
    asked = train_options(folder.network, data=images, out=folder.path, **options)
    check_new(folder.path, folder.network)
    was_there = folder.path.is_dir()
    try:
        folder.path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise write_error(folder.path, error, ", or name another folder") from None
    try:
        write_text(folder.network, text)
        write_text(folder.spec, net.expanded())
        return train_to_run(asked, folder)
    finally:
        if not folder.is_run():  # it could not begin
            folder.clear()
            with suppress(OSError):
                (folder.path / LOCK).unlink(missing_ok=True)
                if not was_there:
                    folder.path.rmdir()


def train_options(network: Path, **options: Any) -> TrainOptions:  # noqa: ANN401 - those of `Options`
    """The options of a training, checked as the command line checks them.

    Raises:
        TypeError: there is no such option.
        UserError: a value is not one of the option.
    """
    for name in options.keys() - Options.__annotations__.keys() - {"data", "out", "resume"}:
        raise TypeError(f"there is no option `{name}`; {did_you_mean(name, Options.__annotations__)}")
    choices = {name: get_args(hint) for name, hint in get_type_hints(Options).items() if _is_choice(hint)}
    for name, value in options.items():
        if name in choices and value not in choices[name]:
            raise UserError(f"{name}={value!r}: expected one of {', '.join(choices[name])}")
        if name in _LEAST and (type(value) is not int or value < _LEAST[name]):
            raise UserError(f"{name}={value!r}: expected a whole number of at least {_LEAST[name]}")
    balanced = ("class_weights", BALANCED)
    paths = {name: Path(value) for name, value in options.items() if name in _PATHS and (name, value) != balanced}
    changed: dict[str, Any] = {**options, **paths}
    if "amp" in options:
        changed["amp"] = AMP[options["amp"]]
    if "freeze" in options:
        changed["freeze"] = tuple(options["freeze"])
    asked = TrainOptions(network=network, **changed)
    return replace(asked, command=("alexc", *command_line(asked)))


def train_to_run(options: TrainOptions, folder: RunFolder) -> Run:
    """Train, with one bar in a notebook; returns the run.

    Raises:
        UserError: something does not fit, or the training cannot continue.
        Interrupted: Ctrl-C stopped the training.
        KeyboardInterrupt: Ctrl-C stopped it before the first step.
    """
    keep_freed_memory()
    with settings_of_torch_kept(), one_bar() as bar:
        code = run_training(options, goes_on=True)
        begun = folder.is_run()
        if bar is not None and begun:
            bar.show(*_summary(Run(folder.path)), now=True)
    if code == _SIGNAL + signal.SIGINT:
        raise Interrupted(Run(folder.path)) if begun else KeyboardInterrupt
    if code > _SIGNAL:
        signal.raise_signal(code - _SIGNAL)
    elif code:
        raise UserError(f"the training in {printable(folder.path)} has failed: see the lines above")
    return Run(folder.path)


def _is_choice(hint: object) -> bool:
    return getattr(hint, "__origin__", None) is Literal


def _summary(run: Run) -> tuple[float, str]:
    """The share of the epochs that are done, and what the training reached."""
    listed = run.listed
    words = [listed.network, f"{listed.epochs_done} of {listed.epochs} epochs"]
    if listed.val_error is not None:
        words.append(f"validation error {listed.val_error:.1%} in epoch {listed.best_epoch}")
    return listed.epochs_done / listed.epochs, " · ".join(words)
