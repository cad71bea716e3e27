"""The course of the training: loss, error and learning rate per epoch, and notes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from alexc.printable import printable

from ..runs.course import NOTES, compared_error, number
from ..runs.epoch_metrics import CURVES, epoch_header, epoch_row
from .chart import Chart, Line, draw_chart, thinned
from .missing import Missing


@dataclass(frozen=True)
class Panel:
    """A chart that may have no point yet.

    Attributes:
        title: the name of the y axis.
        lines: in drawing order.
        chart: None if no point of a line has a number.
    """

    title: str
    lines: tuple[Line, ...]
    chart: Chart | None


@dataclass(frozen=True)
class Curves:
    """The section.

    Attributes:
        charts: of loss, error and rate, if they have numbers.
        header: the names of the columns of `epochs`.
        epochs: a row of metrics per epoch.
        best: the number of the epoch with the lowest validation error, from 1; None before the end of the first.
        notes: the events, each with its epoch and step.
    """

    charts: tuple[Chart, ...]
    header: tuple[str, ...]
    epochs: tuple[tuple[str, ...], ...]
    best: int | None
    notes: tuple[tuple[str, str], ...]


def curves_of(records: Sequence[dict[str, Any]], top5: bool = True) -> Curves | Missing:
    """The section for the records of `read_metrics`; without `top5`, it has no top-5 error.

    Raises:
        KeyError, TypeError, ValueError: the records are not those of a training.
    """
    steps = [record for record in records if record["kind"] == "step"]
    epochs = [record for record in records if record["kind"] == "epoch"]
    if not steps and not epochs:
        return Missing("The training has not recorded a step yet.")
    lowest = min(epochs, key=compared_error, default=None)
    # Before the end of the first epoch, its number of steps is unknown.
    # The last epoch can be shorter than the others.
    panels = panels_of(records, epochs[0]["step"] / epochs[0]["epoch"] if epochs else None, top5)
    return Curves(
        charts=tuple(panel.chart for panel in panels if panel.chart is not None),
        header=epoch_header(top5),
        epochs=tuple(epoch_row(record, top5) for record in epochs),
        best=int(lowest["epoch"]) if lowest else None,
        notes=tuple(_note(record) for record in records if record["kind"] in NOTES),
    )


def panels_of(records: Sequence[dict[str, Any]], steps_per_epoch: float | None, top5: bool) -> list[Panel]:
    """The charts of loss, error and learning rate.

    Args:
        records: those of `read_metrics`.
        steps_per_epoch: converts steps to epochs, the unit of the x axis; None leaves steps.
        top5: whether there is a line of the top-5 error.
    """
    steps = [record for record in records if record["kind"] == "step"]
    epochs = [record for record in records if record["kind"] == "epoch"]
    scale, axis = (steps_per_epoch, "epoch") if steps_per_epoch else (1, "step")
    batches = thinned([(record["step"] / scale, number(record["loss"])) for record in steps])
    rates = [(record["step"] / scale, number(record["rate"])) for record in steps]
    single = CURVES["loss"] if len(batches) == len(steps) else "training, means of some batches"
    losses = [
        Line(single, "batches", batches, dots=False),
        _line(epochs, "train_loss", "train"),
        _line(epochs, "val_loss", "val"),
    ]
    errors = [
        _line(epochs, "train_error", "train"),
        _line(epochs, "val_error", "val"),
        *([_line(epochs, "val_top5_error", "val5")] if top5 else []),
    ]
    rate = [Line(CURVES["rate"], "rate", _turns(rates), stepped=True, dots=False)]
    return [
        Panel("loss", tuple(losses), draw_chart("loss", axis, losses, ".3g")),
        Panel("error", tuple(errors), draw_chart("error", axis, errors, ".0%")),
        Panel("learning rate", tuple(rate), draw_chart("learning rate", axis, rate, ".3g", logarithmic=True)),
    ]


def _line(epochs: Sequence[dict[str, Any]], name: str, style: str) -> Line:
    return Line(CURVES[name], style, tuple((record["epoch"], number(record[name])) for record in epochs))


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
