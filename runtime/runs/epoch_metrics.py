"""The metrics of an epoch, for schedules, the log and the curves, and the names that all pages give them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

CURVES = {
    "loss": "training, single batches",
    "train_loss": "training, mean of the epoch",
    "val_loss": "validation",
    "train_error": "training, top-1",
    "val_error": "validation, top-1",
    "val_top5_error": "validation, top-5",
    "rate": "rate",
    "images_per_second": "images/s",
}


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


_TOP5 = "val_top5_error"
_EPOCH_FIGURES: tuple[tuple[str, str, Callable[[float], str]], ...] = (
    ("training loss", "train_loss", loss_text),
    ("training error", "train_error", "{:.1%}".format),
    ("validation loss", "val_loss", loss_text),
    ("top-1 error", "val_error", "{:.1%}".format),
    ("top-5 error", _TOP5, "{:.1%}".format),
    ("rate", "rate", "{:.3g}".format),
    ("images/s", "images_per_second", "{:,.0f}".format),
)


def epoch_header(top5: bool) -> tuple[str, ...]:
    """The columns of `epoch_row`."""
    return ("epoch", *(title for title, name, _ in _EPOCH_FIGURES if top5 or name != _TOP5))


def epoch_row(record: Mapping[str, Any], top5: bool) -> tuple[str, ...]:
    """The record of an epoch as a row of a table; `top5` says whether it has the top-5 error."""
    shown = [(name, text) for _, name, text in _EPOCH_FIGURES if top5 or name != _TOP5]
    figures = ("-" if record[name] is None else text(float(record[name])) for name, text in shown)
    return (str(int(record["epoch"])), *figures)
