"""Runs one training, or one for each of several seeds, from the options to the end: what `alexc train` does."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from statistics import mean, stdev

from alexc.printable import shell_line

from ..device import is_out_of_memory
from ..errors import UserError
from ..evaluation.measure import top5_tells
from ..network_file import load_network_file
from ..parallel.rank import Rank, alone
from ..runs.console import print_files, print_note
from ..runs.metrics import read_metrics
from ..runs.run_folder import RunFolder, new_run_path
from .compiled import explain_compile_errors
from .interruption import Interruption
from .launch import (
    is_started_by_torchrun,
    placement_to_train,
    start_ranks,
    torchrun_line,
    work_as_rank,
)
from .options import AUTO, TrainOptions, resume_command
from .set_up import set_up
from .settings import DEFAULT_SEED
from .trainer import Stopped, Trainer


def run_training(options: TrainOptions, goes_on: bool = False) -> int:
    """Train in one process, or in one process for each device of the placement; print the files and draw the curves.

    Args:
        options: the options of the training.
        goes_on: whether this process has other work after the training; see `Interruption`.

    Returns:
        The exit code: 0, or 128 plus the number of the signal that stopped the training.

    Raises:
        UserError: something does not fit, or the training cannot continue.
    """
    file = load_network_file(options.network)
    placement = placement_to_train(options, file)
    if placement is None:
        return _train(options, alone(), options.device, goes_on)
    if is_started_by_torchrun():
        work_as_rank(options, placement, lambda own, rank: _train(own, rank, options.device))
    print_note(f"on several machines, run on each: {torchrun_line(options.network, placement.devices)}")
    return start_ranks(options, file, placement)


def run_seeds(options: TrainOptions, count: int) -> int:
    """Train `count` times with consecutive seeds, each in a folder of its own; print how much the results differ.

    Args:
        options: the seed is the first one; the folder holds a folder for each seed.
        count: the number of seeds.

    Returns:
        The exit code of the first training that was stopped, or 0.

    Raises:
        UserError: as for `run_training`; also if runs are resumed without a folder, or the file has a placement.
    """
    if options.resume is not None and (options.resume != AUTO or options.out is None):
        raise UserError("--seeds resumes its runs with --resume auto --out FOLDER, the folder that holds them")
    file = load_network_file(options.network)
    if placement_to_train(options, file) is not None:
        raise UserError("--seeds trains on one device, one seed after the other: train a file without placement")
    folder = options.out or new_run_path(file.name)
    first = DEFAULT_SEED if options.seed is None else options.seed
    errors = []
    for seed in range(first, first + count):
        run = RunFolder(folder / f"seed-{seed}")
        print_note(f"seed {seed} ({seed - first + 1} of {count})")
        code = run_training(replace(options, seed=seed, out=run.path))
        if code:
            print_note(f"to resume all seeds, give the same command with --resume auto --out {shell_line(folder)}")
            return code
        epochs = [record for record in read_metrics(run.metrics) if record["kind"] == "epoch"]
        errors += [min(record["val_error"] for record in epochs)] if epochs else []
    if len(errors) == count:
        print_note(
            f"\nvalidation error, best epoch of {count} seeds: {mean(errors):.1%} on average, standard deviation "
            f"{stdev(errors):.1%}, from {min(errors):.1%} to {max(errors):.1%}"
        )
    return 0


def _train(options: TrainOptions, rank: Rank, asked_device: str | None, goes_on: bool = False) -> int:
    with set_up(options, rank) as trainer, Interruption(goes_on) as interruption:
        number = 0
        go_on = partial(resume_command, options.network, trainer.run.folder.path, asked_device)
        try:
            with explain_compile_errors(go_on()), _explain_memory_errors(trainer, go_on()):
                trainer.train(lambda: interruption.signal is not None, options.steps)
        except Stopped:
            number = int(rank.max(interruption.signal or 0))  # the signal may have come to any rank
            ending = f"by {signal.Signals(number).name}" if number else "as --steps says"
            command = go_on(options.compile)
            print_note(f"stopped {ending} after step {trainer.state.step:,}; continue with: {command}")
        if rank.is_rank_zero:
            _conclude(trainer)
        return 128 + number if number else 0


@contextmanager
def _explain_memory_errors(trainer: Trainer, go_on: str) -> Iterator[None]:
    """Turn what is raised for lack of memory into a message.

    Raises:
        UserError: the block needed more memory than there is.
    """
    try:
        yield
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        raise UserError(
            f"not enough memory on {trainer.model.device} for batches of {trainer.settings.recipe.batch}: end other "
            f"programs that use it and continue with {go_on}; or begin a new run with a smaller --batch, or with "
            "--accumulate N, which computes each batch in N parts"
        ) from error


def _conclude(trainer: Trainer) -> None:
    """Draw the curves and print where the files are."""
    from .curves import draw_curves  # imports what most processes never need

    state, folder = trainer.state, trainer.run.folder
    title = f"{trainer.run.identity['network']}, seed {trainer.settings.seed}"
    draw_curves(
        read_metrics(folder.metrics),
        title,
        trainer.steps_per_epoch,
        folder.curves,
        top5_tells(trainer.model.outputs),
    )
    best = f"validation error {state.best_error:.1%} in epoch {state.best_epoch}" if state.best_epoch else ""
    print_files(
        [
            ("best", folder.best, best),
            ("last", folder.last, f"after step {state.step:,}"),
            ("metrics", folder.metrics, f"also for tensorboard --logdir {shell_line(folder.events)}"),
            ("curves", folder.curves, ""),
        ]
    )
