"""One training from its options to its end, however it ends: what `alexc train` does."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from statistics import mean, stdev

from alexc.printable import printable

from ..device import is_out_of_memory
from ..errors import UserError
from ..network_file import load_network_file
from ..parallel.rank import Rank, alone
from ..runs.console import print_files, print_note
from ..runs.metrics import read_metrics
from ..runs.run_folder import RunFolder, new_run_path
from .compiled import telling_why_it_cannot_compile
from .interruption import Interruption
from .launch import (
    is_started_by_torchrun,
    placement_to_train,
    start_ranks,
    torchrun_line,
    work_as_rank,
)
from .loop import Stopped, Training, train
from .options import AUTO, TrainOptions, resume_command
from .set_up import DEFAULT_SEED, set_up


def run_training(options: TrainOptions, steps: int | None) -> int:
    """Train, in one process or as many as the file's placement has devices; print what comes of it, draw the curves.

    Args:
        options: what to train.
        steps: stop after this many steps in all; None for no such limit.

    Returns:
        The exit code: 0, or 128 and the number of the signal that stopped the training.

    Raises:
        UserError: when something does not fit, or the training cannot go on.
    """
    file = load_network_file(options.network)
    placement = placement_to_train(options, file)
    if placement is None:
        return _train(options, steps, alone(), options.device)
    if is_started_by_torchrun():
        work_as_rank(options, placement, lambda own, rank: _train(own, steps, rank, options.device))
    print_note(f"on several machines, run on each: {torchrun_line(options.network, placement.devices)}")
    return start_ranks(options, file, placement)


def run_seeds(options: TrainOptions, steps: int | None, count: int) -> int:
    """Train so many times, with one seed after the other, each in a folder of its own; print how much they differ.

    Args:
        options: what to train; its seed is the first one, and its folder holds a folder for each seed.
        steps: as for `run_training`, of each training.
        count: how many.

    Returns:
        The exit code of the first training that did not end by itself, or 0.

    Raises:
        UserError: as `run_training`; when runs are to be resumed and no folder is named; for a file with a placement.
    """
    if options.resume is not None and (options.resume != AUTO or options.out is None):
        raise UserError("--seeds goes on with its runs by --resume auto --out FOLDER, the folder that holds theirs")
    file = load_network_file(options.network)
    if placement_to_train(options, file) is not None:
        raise UserError("--seeds trains on one device, one seed after the other: train a file without placement")
    folder = options.out or new_run_path(file.name)
    first = DEFAULT_SEED if options.seed is None else options.seed
    errors = []
    for seed in range(first, first + count):
        run = RunFolder(folder / f"seed-{seed}")
        print_note(f"seed {seed} ({seed - first + 1} of {count})")
        code = run_training(replace(options, seed=seed, out=run.path), steps)
        if code:
            print_note(f"all seeds go on with the same command and --resume auto --out {printable(folder)}")
            return code
        epochs = [record for record in read_metrics(run.metrics) if record["kind"] == "epoch"]
        errors += [min(record["val_error"] for record in epochs)] if epochs else []
    if len(errors) == count:
        print_note(
            f"\nvalidation error, best epoch of {count} seeds: {mean(errors):.1%} on average, standard deviation "
            f"{stdev(errors):.1%}, from {min(errors):.1%} to {max(errors):.1%}"
        )
    return 0


def _train(options: TrainOptions, steps: int | None, rank: Rank, asked_device: str | None) -> int:
    with set_up(options, rank) as training, Interruption() as interruption:
        number = 0
        go_on = partial(resume_command, options.network, training.run.path, asked_device)
        try:
            with telling_why_it_cannot_compile(go_on()), _memory_told(training, go_on()):
                train(training, lambda: interruption.signal is not None, steps)
        except Stopped:
            number = int(rank.largest(interruption.signal or 0))  # any process may have been asked
            ending = f"by {signal.Signals(number).name}" if number else "as --steps says"
            command = go_on(options.compile)
            print_note(f"stopped {ending} after step {training.state.step:,}; go on with: {command}")
        if rank.is_rank_zero:
            _conclude(training)
        return 128 + number if number else 0


@contextmanager
def _memory_told(training: Training, go_on: str) -> Iterator[None]:
    """A block that may need more memory than there is.

    Raises:
        UserError: when it does.
    """
    try:
        yield
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        raise UserError(
            f"not enough memory on {training.device} for batches of {training.batch}: end what else uses it and go on "
            f"with {go_on}; or train anew with a smaller --batch, or with --accumulate N, which computes each batch "
            "in N parts"
        ) from error


def _conclude(training: Training) -> None:
    """Draw the curves, and say where everything is."""
    from .curves import draw_curves  # needs matplotlib, which most processes never do

    state, run = training.state, training.run
    per_epoch = -(-len(training.store.train) // training.batch)
    draw_curves(
        read_metrics(run.metrics), f"{training.identity['network']}, seed {training.seed}", per_epoch, run.curves
    )
    best = f"validation error {state.best_error:.1%} in epoch {state.best_epoch}" if state.best_epoch else ""
    print_files(
        [
            ("best", run.best, best),
            ("last", run.last, f"after step {state.step:,}"),
            ("metrics", run.metrics, f"also for tensorboard --logdir {printable(run.events)}"),
            ("curves", run.curves, ""),
        ]
    )
