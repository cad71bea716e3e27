"""Finds the run that a training works on, a new one or one to resume, and checks that the two fit each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from alexc.printable import printable, shell_line

from ..errors import UserError
from ..runs.run_folder import (
    RUNS,
    RunFolder,
    check_new,
    check_writable,
    is_beginning,
    new_run_path,
    newest_run,
)
from ..runs.weight_shapes import differences_text, differing_names
from .options import AUTO, TrainOptions, resume_command, start_command
from .state import TrainingState

_OF_RECIPE = ("lr", "weight_decay")
_SAME_OPTIONS = ("seed", "batch", "freeze", "amp", "accumulate", "sampler", *_OF_RECIPE)
_SINCE_LATER = {  # what a checkpoint of an earlier alexc means
    "class_weights": None,
    "sampler": "random",
    "lr": None,
    "weight_decay": None,
}


@dataclass(frozen=True)
class ChosenRun:
    """The run that a training works on.

    Attributes:
        folder: the folder of the run.
        resumed: whether the run exists already.
        checkpoint: the file to resume from; None for the newest one that is intact.
        note: what --resume auto found.
    """

    folder: RunFolder
    resumed: bool
    checkpoint: Path | None = None
    note: str | None = None

    def load_checkpoint(self) -> dict[str, Any]:
        """The content of the checkpoint to resume from.

        Raises:
            UserError: there is none that can be used.
        """
        if self.checkpoint is None:
            return self.folder.newest_checkpoint()
        return self.folder.named_checkpoint(self.checkpoint)

    def go_back_to(self, content: Mapping[str, Any]) -> None:
        """Make the checkpoint that the user named the newest one of the run."""
        if self.checkpoint is not None:
            self.folder.go_back_to(self.checkpoint, content)


def choose_run(options: TrainOptions, network: str) -> ChosenRun:
    """The run that the options ask for, checked as far as is possible without the data.

    Args:
        options: the options of the training.
        network: the name of the network; --resume auto looks for runs of this name.

    Raises:
        UserError: there is no such run, or a new one cannot begin there.
    """
    if isinstance(options.resume, Path):
        return _named_run(options.resume, options.out)
    if options.resume != AUTO:
        return _new_run(options.out or new_run_path(network), options)
    if options.out is None:
        found = newest_run(network)
        if found is None:
            note = f"--resume auto: {RUNS}/ holds no run of {network}; a new one begins"
            return _new_run(new_run_path(network), options, note)
        return _begun_run(found, note=f"--resume auto: continuing with {printable(found.path)}")
    run, shown = RunFolder(options.out), printable(options.out)
    if run.is_run():
        return _begun_run(run, note=f"--resume auto: continuing with {shown}")
    note = f"--resume auto: {shown} holds no run; a new one begins"
    if is_beginning(run.path):
        check_writable(run.path)
        return ChosenRun(run, resumed=False, note=note)
    return _new_run(run.path, options, note)


def _new_run(path: Path, options: TrainOptions, note: str | None = None) -> ChosenRun:
    check_new(path, options.network)
    return ChosenRun(RunFolder(path), resumed=False, note=note)


def _begun_run(run: RunFolder, checkpoint: Path | None = None, note: str | None = None) -> ChosenRun:
    run.read_record()
    check_writable(run.path)
    return ChosenRun(run, resumed=True, checkpoint=checkpoint, note=note)


def _named_run(path: Path, out: Path | None) -> ChosenRun:
    """The run in a folder, or the run of a checkpoint."""
    checkpoint = path if path.suffix == ".pt" or path.is_file() else None
    run = RunFolder(path if checkpoint is None else path.parent)
    if out is not None and out.resolve() != run.path.resolve():
        raise UserError(
            f"--resume {printable(path)} continues in {printable(run.path)}, not in --out {printable(out)}: leave "
            "--out out, or begin a new run from its weights with --weights"
        )
    return _begun_run(run, checkpoint)


def check_same(
    options: TrainOptions,
    run: RunFolder,
    checkpoint: Mapping[str, Any],
    identity: Mapping[str, Any],
    network: nn.Module,
) -> None:
    """Check that a checkpoint is of this training.

    Args:
        options: the options of the training.
        run: the run to resume.
        checkpoint: the content of its checkpoint.
        identity: what the checkpoint must agree in, see `identity_of`.
        network: the whole network, for its names and shapes.

    Raises:
        UserError: the checkpoint is of an older alexc, or of another network, other data or other options.
    """
    shown = printable(run.path)
    checkpoint = _SINCE_LATER | dict(checkpoint)
    if not checkpoint.keys() >= {"optimizer", "average", "early_stopping", *identity}:
        raise UserError(
            f"{shown} was begun by an older alexc (or its checkpoint is not of a training): resume it with that "
            f"version, or begin a new run from its weights: --weights {shell_line(run.path)} --out NEW"
        )
    if checkpoint["network_sha256"] != identity["network_sha256"]:
        raise _other_network(options, run, checkpoint["weights"], network.state_dict())
    if checkpoint["store"] != identity["store"]:
        raise UserError(
            f"{shown} was trained on other data than it is given now: give the folder or the store that it began with "
            "as --data, or train into another folder"
        )
    for name in _SAME_OPTIONS:
        if checkpoint[name] != identity[name]:
            raise _other_option(name, options, run, checkpoint[name], identity[name])
    if checkpoint["class_weights"] != identity["class_weights"]:
        raise UserError(
            f"--class-weights: {shown} was begun with other weights of the classes, or without; leave the option out, "
            "or train into another folder"
        )


def check_epochs(options: TrainOptions, run: RunFolder, state: TrainingState) -> None:
    """Check that --epochs is not less than what is done.

    Raises:
        UserError: it is less.
    """
    begun = state.epoch + (state.position > 0)
    if options.epochs is not None and options.epochs < begun:
        done = f"is in epoch {begun}" if state.position else f"has done {begun} epochs"
        raise UserError(
            f"--epochs {options.epochs}: {printable(run.path)} {done} already; give {begun} or more, or train into "
            "another folder"
        )


def _other_network(
    options: TrainOptions, run: RunFolder, saved: Mapping[str, Tensor], here: Mapping[str, Tensor]
) -> UserError:
    shown = printable(run.path)
    names = differing_names(here, saved)
    if names:
        differences = differences_text(names, here, saved, ("in the checkpoint", "in the file"))
        return UserError(
            f"{shown} trains another network than {printable(options.network)}; these weights differ: {differences}. "
            "Continue with the network of the run, or train into another folder"
        )
    return UserError(
        f"{printable(options.network)} is not the file that {shown} trains: the layers are the same, but the "
        f"recipe or the code differ; continue with the run's own: {resume_command(run.network, run.path)}; or "
        f"begin a new run from its weights, as with another rate: {start_command(options.network, run.path)}"
    )


def _other_option(name: str, options: TrainOptions, run: RunFolder, begun: object, now: object) -> UserError:
    """The error for an option that has another value than the run was begun with."""
    option, asked = name.replace("_", "-"), getattr(options, name)
    given = _option_text(now if asked in (None, ()) else asked)
    before = "that of the recipe" if name in _OF_RECIPE and begun is None else _option_text(begun)
    return UserError(
        f"--{option} {given}: {printable(run.path)} was begun with {option} {before}; leave the option out, "
        "or train into another folder"
    )


def _option_text(value: object) -> str:
    return ",".join(value) or "none" if isinstance(value, (list, tuple)) else "none" if value is None else str(value)
