"""Which run a training works on, a new one or one to go on with; and whether that is what is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from alexc.printable import printable

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
from .options import AUTO, TrainOptions, resume_command

_MOST_LAYERS_SHOWN = 5


@dataclass(frozen=True)
class ChosenRun:
    """The run that a training works on.

    Attributes:
        run: its folder.
        resumed: whether it is there already, to go on with.
        checkpoint: the file to go on from; None takes the newest that is whole.
        note: what was found, where nobody said which run it is.
    """

    run: RunFolder
    resumed: bool
    checkpoint: Path | None = None
    note: str | None = None


def choose_run(options: TrainOptions, network: str) -> ChosenRun:
    """The run that the options ask for, checked as far as it can be before there is data.

    Args:
        options: what to train.
        network: the name of the network, which runs without a name given are told by.

    Raises:
        UserError: there is no such run, or none can begin there.
    """
    if isinstance(options.resume, Path):
        return _named_run(options.resume, options.out)
    if options.resume != AUTO:
        return _new_run(options.out or new_run_path(network), None)
    if options.out is None:
        found = newest_run(network)
        if found is None:
            note = f"--resume auto: {RUNS}/ holds no run of {network}; a new one begins"
            return _new_run(new_run_path(network), note)
        return _begun_run(found, note=f"--resume auto: going on with {printable(found.path)}")
    run, shown = RunFolder(options.out), printable(options.out)
    if run.is_run():
        return _begun_run(run, note=f"--resume auto: going on with {shown}")
    note = f"--resume auto: {shown} holds no run; a new one begins"
    if is_beginning(run.path):
        check_writable(run.path)
        return ChosenRun(run, resumed=False, note=note)
    return _new_run(run.path, note)


def _new_run(path: Path, note: str | None) -> ChosenRun:
    check_new(path)
    return ChosenRun(RunFolder(path), resumed=False, note=note)


def _begun_run(run: RunFolder, checkpoint: Path | None = None, note: str | None = None) -> ChosenRun:
    run.read_record()
    check_writable(run.path)
    return ChosenRun(run, resumed=True, checkpoint=checkpoint, note=note)


def _named_run(path: Path, out: Path | None) -> ChosenRun:
    """The run of a folder, or of a checkpoint in one."""
    checkpoint = path if path.suffix == ".pt" or path.is_file() else None
    run = RunFolder(path if checkpoint is None else path.parent)
    if out is not None and out.resolve() != run.path.resolve():
        raise UserError(
            f"--resume {printable(path)} goes on in {printable(run.path)}, not in --out {printable(out)}: leave --out "
            "out, or begin a run there from its weights by --weights"
        )
    return _begun_run(run, checkpoint)


def check_same(
    options: TrainOptions,
    run: RunFolder,
    checkpoint: Mapping[str, Any],
    identity: Mapping[str, Any],
    network: nn.Module,
) -> None:
    """Refuse to go on with something else than what was begun."""
    shown = printable(run.path)
    if not checkpoint.keys() >= {"moments", "average", "early_stopping", *identity}:
        raise UserError(
            f"{shown} was begun by an older alexc (or its checkpoint is none of a training): go on with that, or "
            f"begin anew from its weights by --weights {shown} --out NEW"
        )
    if checkpoint["network_sha256"] != identity["network_sha256"]:
        differing = _differing_layers(checkpoint["weights"], network.state_dict())
        if differing:
            raise UserError(
                f"{shown} trains another network than {printable(options.network)}; these weights differ: "
                f"{'; '.join(differing)}. Go on with the network of the run, or train into another folder"
            )
        raise UserError(
            f"{printable(options.network)} is not the file that {shown} trains: the layers are the same, but the "
            f"recipe or the code differ; go on with the run's own: {resume_command(run.network, run.path)}"
        )
    if checkpoint["store"] != identity["store"]:
        raise UserError(
            f"{shown} was trained on other data than it is given now: name the folder or the store that it began "
            "with by --data, or train into another folder"
        )
    for name in ("seed", "batch", "freeze", "amp", "accumulate"):
        if checkpoint[name] != identity[name]:
            given, begun = (_option_text(each[name]) for each in (identity, checkpoint))
            raise UserError(
                f"--{name} {given}: {shown} was begun with {name} {begun}; leave the option out, "
                "or train into another folder"
            )


def _differing_layers(saved: Mapping[str, Tensor], here: Mapping[str, Tensor]) -> list[str]:
    def shape(weights: Mapping[str, Tensor], name: str) -> str:
        return "x".join(map(str, weights[name].shape)) if name in weights else "missing"

    names = list(dict.fromkeys((*here, *saved)))
    lines = [
        f"{name} is {shape(saved, name)} in the checkpoint and {shape(here, name)} in the file"
        for name in names
        if shape(saved, name) != shape(here, name)
    ]
    rest = len(lines) - _MOST_LAYERS_SHOWN
    return [*lines[:_MOST_LAYERS_SHOWN], f"and {rest} more"] if rest > 0 else lines


def _option_text(value: object) -> str:
    return ",".join(value) or "none" if isinstance(value, list) else "none" if value is None else str(value)
