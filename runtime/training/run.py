"""One training from its options to its end, however it ends: what `alexc train` does."""

from __future__ import annotations

import shlex
import signal

from alexc.runtime.network_file import load_network_file
from alexc.runtime.training.curves import draw_curves
from alexc.runtime.training.interruption import Interruption
from alexc.runtime.training.launch import (
    is_started_by_torchrun,
    placement_to_train,
    start_ranks,
    torchrun_line,
    work_as_rank,
)
from alexc.runtime.training.loop import Stopped, Training, train
from alexc.runtime.training.metrics import read_metrics
from alexc.runtime.training.rank import Rank, alone
from alexc.runtime.training.report import print_files, print_note
from alexc.runtime.training.set_up import TrainOptions, set_up


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
        return _train(options, steps, alone())
    if is_started_by_torchrun():
        work_as_rank(options, placement, lambda own_options, rank: _train(own_options, steps, rank))
    print_note(f"on several machines, run on each: {torchrun_line(options.network, placement.devices)}")
    return start_ranks(options, file, placement)


def _train(options: TrainOptions, steps: int | None, rank: Rank) -> int:
    with set_up(options, rank) as training, Interruption() as interruption:
        number = 0
        try:
            train(training, lambda: interruption.signal is not None, steps)
        except Stopped:
            number = int(rank.largest(interruption.signal or 0))  # any process may have been asked
            ending = f"by {signal.Signals(number).name}" if number else "as --steps says"
            print_note(f"stopped {ending} after step {training.state.step:,}; go on with: {_go_on(options, training)}")
        if rank.is_chief:
            _conclude(training)
        return 128 + number if number else 0


def _go_on(options: TrainOptions, training: Training) -> str:
    return shlex.join(["alexc", "train", str(options.network), "--resume", "--out", str(training.run.path)])


def _conclude(training: Training) -> None:
    """Draw the curves, and say where everything is."""
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
            ("metrics", run.metrics, f"also for tensorboard --logdir {run.events}"),
            ("curves", run.curves, ""),
        ]
    )
