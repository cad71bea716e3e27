"""The figures of an epoch: what a schedule watches, the log prints and the curves show."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class EpochMetrics:
    """Errors are shares, 0..1.

    Attributes:
        train_loss: the mean over the epoch's images of the loss, as it was when each was shown.
        train_error: the share of them whose class was not the network's first guess.
        val_loss: the loss on the validation split, central view.
        val_error: the top-1 error there.
        val_top5_error: the top-5 error there.
    """

    train_loss: float
    train_error: float
    val_loss: float
    val_error: float
    val_top5_error: float
