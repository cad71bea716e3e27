"""One training from its options to its end, however it ends: what `alexc train` does."""

from __future__ import annotations

import shlex

from alexc.runtime.training.curves import draw_curves
from alexc.runtime.training.interruption import Interruption
from alexc.runtime.training.loop import Stopped, Training, train
from alexc.runtime.training.metrics import read_metrics
from alexc.runtime.training.report import print_files, print_note
from alexc.runtime.training.set_up import TrainOptions, set_up


def run_training(options: TrainOptions, steps: int | None) -> int:
    """Train, print what comes of it, and draw the curves.

    Args:
        options: what to train.
        steps: stop after this many steps in all; None for no such limit.

    Returns:
        The exit code: 0, or 128 and the number of the signal that stopped the training.

    Raises:
        UserError: when something does not fit, or the training cannot go on.
    """
    with set_up(options) as training, Interruption() as interruption:
        try:
            train(training, lambda: interruption.signal is not None, steps)
        except Stopped:
            ending = "as --steps says" if interruption.signal is None else f"by {interruption.signal.name}"
            print_note(f"stopped {ending} after step {training.state.step:,}; go on with: {_go_on(options, training)}")
        _conclude(training)
        return interruption.exit_code or 0


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
