"""Draws the curves of a training: loss, error and learning rate over the epochs."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from ..files import write_bytes, writing

_TRAIN, _VAL, _VAL5, _RATE = "#3b6fb6", "#c8553d", "#e3a857", "#4f7f52"
_INK, _GRID = "#30343b", "#dfe3e8"


def draw_curves(records: Sequence[dict[str, Any]], title: str, steps_per_epoch: int, path: Path) -> None:
    """Draw the metrics of a run and write them as a PNG, atomically.

    Args:
        records: the records of `read_metrics`.
        title: the title of the figure.
        steps_per_epoch: converts steps to epochs, the unit of the x-axis.
        path: the file to write.

    Raises:
        UserError: the file cannot be written.
    """
    steps = [record for record in records if record["kind"] == "step"]
    epochs = [record for record in records if record["kind"] == "epoch"]
    figure = Figure(figsize=(11, 3.9), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    loss, error, rate = figure.subplots(1, 3)
    figure.suptitle(title, fontsize=12, color=_INK, fontweight="bold")

    places = [record["step"] / steps_per_epoch for record in steps]
    loss.plot(places, _values(steps, "loss"), color=_TRAIN, alpha=0.3, linewidth=0.9, label="training, single batches")
    _line(loss, epochs, "train_loss", _TRAIN, "training, mean of the epoch")
    _line(loss, epochs, "val_loss", _VAL, "validation")
    _line(error, epochs, "train_error", _TRAIN, "training, top-1")
    _line(error, epochs, "val_error", _VAL, "validation, top-1")
    _line(error, epochs, "val_top5_error", _VAL5, "validation, top-5")
    rate.step(places, _values(steps, "rate"), color=_RATE, linewidth=1.8, where="pre")

    rate.set_yscale("log")
    error.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    error.set_ylim(0, 1)
    for axes, name in ((loss, "loss"), (error, "error"), (rate, "learning rate")):
        _dress(axes, name)
    picture = io.BytesIO()
    figure.savefig(picture, format="png", metadata={"Software": None})
    with writing(path, "the run itself is whole, and --resume draws the curves again"):
        write_bytes(path, picture.getvalue())


def _values(records: Sequence[dict[str, Any]], name: str) -> list[float]:
    return [float("nan") if record[name] is None else record[name] for record in records]


def _line(axes: Axes, epochs: Sequence[dict[str, Any]], name: str, color: str, label: str) -> None:
    marker = "o" if len(epochs) <= 40 else None
    places = [record["epoch"] for record in epochs]
    axes.plot(places, _values(epochs, name), color=color, linewidth=1.8, marker=marker, markersize=3.5, label=label)


def _dress(axes: Axes, name: str) -> None:
    axes.set_title(name, fontsize=10, color=_INK, loc="left")
    axes.set_xlabel("epoch", fontsize=9, color=_INK)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(color=_GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(which="both", labelsize=8, colors=_INK, length=0)
    for side in axes.spines.values():
        side.set_visible(False)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=8, frameon=False, labelcolor=_INK)
