"""The course of the training: loss, error and learning rate per epoch, and notes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from alexc.printable import printable

from ..runs.epoch_metrics import loss_text
from .chart import Chart, Line, draw_chart, thinned
from .missing import Missing

EPOCH_HEADER = (
    "epoch",
    "training loss",
    "training error",
    "validation loss",
    "top-1 error",
    "top-5 error",
    "rate",
    "images/s",
)
_EPOCH_FIGURES: tuple[tuple[str, Callable[[float], str]], ...] = (
    ("train_loss", loss_text),
    ("train_error", "{:.1%}".format),
    ("val_loss", loss_text),
    ("val_error", "{:.1%}".format),
    ("val_top5_error", "{:.1%}".format),
    ("rate", "{:.3g}".format),
    ("images_per_second", "{:,.0f}".format),
)


@dataclass(frozen=True)
class Curves:
    """The section.

    Attributes:
        charts: of loss, error and rate, if they have numbers.
        epochs: a row of metrics per epoch, with the columns of EPOCH_HEADER.
        best: the number of the epoch with the lowest validation error, from 1; None before the end of the first.
        notes: the events, each with its epoch and step.
    """

    charts: tuple[Chart, ...]
    epochs: tuple[tuple[str, ...], ...]
    best: int | None
    notes: tuple[tuple[str, str], ...]


def curves_of(records: Sequence[dict[str, Any]]) -> Curves | Missing:
    """The section for the records of `read_metrics`.

    Raises:
        KeyError, TypeError, ValueError: the records are not those of a training.
    """
    steps = [record for record in records if record["kind"] == "step"]
    epochs = [record for record in records if record["kind"] == "epoch"]
    if not steps and not epochs:
        return Missing("The training has not recorded a step yet.")
    lowest = min(epochs, key=_error, default=None)
    return Curves(
        charts=tuple(chart for chart in _charts(steps, epochs) if chart is not None),
        epochs=tuple(_row(record) for record in epochs),
        best=int(lowest["epoch"]) if lowest else None,
        notes=tuple(_note(record) for record in records if record["kind"] in ("note", "diverged")),
    )


def _charts(steps: Sequence[dict[str, Any]], epochs: Sequence[dict[str, Any]]) -> list[Chart | None]:
    # Before the end of the first epoch, its number of steps is unknown.
    # The last epoch can be shorter than the others.
    scale, axis = (epochs[0]["step"] / epochs[0]["epoch"], "epoch") if epochs else (1, "step")
    batches = thinned([(record["step"] / scale, _number(record["loss"])) for record in steps])
    rates = [(record["step"] / scale, _number(record["rate"])) for record in steps]
    single = "training, single batches" if len(batches) == len(steps) else "training, means of some batches"
    return [
        draw_chart(
            "loss",
            axis,
            [
                Line(single, "batches", batches, dots=False),
                _line(epochs, "train_loss", "training, mean of the epoch", "train"),
                _line(epochs, "val_loss", "validation", "val"),
            ],
            ".3g",
        ),
        draw_chart(
            "error",
            axis,
            [
                _line(epochs, "train_error", "training, top-1", "train"),
                _line(epochs, "val_error", "validation, top-1", "val"),
                _line(epochs, "val_top5_error", "validation, top-5", "val5"),
            ],
            ".0%",
        ),
        draw_chart("learning rate", axis, [Line("rate", "rate", _turns(rates), stepped=True, dots=False)], ".3g", True),
    ]


def _line(epochs: Sequence[dict[str, Any]], name: str, label: str, style: str) -> Line:
    return Line(label, style, tuple((record["epoch"], _number(record[name])) for record in epochs))


def _turns(points: Sequence[tuple[float, float | None]]) -> tuple[tuple[float, float | None], ...]:
    """The points where a value starts or ends, which are enough for a rate that stays constant between them."""
    return thinned(
        [
            point
            for place, point in enumerate(points)
            if not 0 < place < len(points) - 1 or not points[place - 1][1] == point[1] == points[place + 1][1]
        ]
    )


def _note(record: dict[str, Any]) -> tuple[str, str]:
    return f"epoch {int(record['epoch'])}, step {int(record['step']):,}", printable(record["text"])


def _row(record: dict[str, Any]) -> tuple[str, ...]:
    figures = ("-" if record[name] is None else text(float(record[name])) for name, text in _EPOCH_FIGURES)
    return (str(int(record["epoch"])), *figures)


def _error(record: dict[str, Any]) -> float:
    return 2.0 if record["val_error"] is None else float(record["val_error"])


def _number(value: object) -> float | None:
    return None if value is None else float(value)  # type: ignore[arg-type]
