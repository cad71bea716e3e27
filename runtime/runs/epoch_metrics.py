"""The metrics of an epoch, for schedules, the log and the curves."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class EpochMetrics:
    """The metrics of an epoch; errors are in 0..1.

    Attributes:
        train_loss: the mean loss of the epoch's images, each at the step that used it.
        train_error: the top-1 error of these images.
        val_loss: the loss on the validation split, with the central view.
        val_error: the top-1 error on it.
        val_top5_error: the top-5 error on it.
    """

    train_loss: float
    train_error: float
    val_loss: float
    val_error: float
    val_top5_error: float


def loss_text(loss: float) -> str:
    """A loss in at most 8 characters: `2.3026`, or `1.7e+27` from 1,000 on."""
    return f"{loss:.4f}" if abs(loss) < 999.99995 else f"{loss:.1e}"
