"""Draws the curves of a training as a PNG: loss, error and learning rate over the epochs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from alexc.png import png_of

from ..files import write_bytes, writing
from ..reporting import chart
from ..reporting.curves import panels_of
from ..reporting.templates import template, text_of

_ZOOM = 1.5
_COLORS = {"train": "#3b6fb6", "val": "#c8553d", "val5": "#e3a857", "rate": "#4f7f52"}
_THEMES = {
    "light": {"faint": "#30343b", "edge": "#dfe3e8", "paper": "#ffffff"},
    "dark": {"faint": "#e6edf3", "edge": "#30363d", "paper": "#0d1117"},
    "either": {"faint": "#7d858f", "edge": "#7d858f40", "paper": "none"},
}

Theme = Literal["light", "dark", "either"]


def draw_curves(
    records: Sequence[dict[str, Any]], title: str, steps_per_epoch: float, path: Path, top5: bool = True
) -> None:
    """Draw the metrics of a run, as `alexc report` does, and write them as a PNG, atomically.

    Args:
        records: the records of `read_metrics`.
        title: the title of the figure.
        steps_per_epoch: converts steps to epochs, the unit of the x-axis.
        path: the file to write.
        top5: whether there is a line of the top-5 error.

    Raises:
        UserError: the file cannot be written.
    """
    with writing(path, "the run itself is whole, and --resume draws the curves again"):
        write_bytes(path, curves_png(records, title, steps_per_epoch, top5))


def curves_png(
    records: Sequence[dict[str, Any]], title: str, steps_per_epoch: float, top5: bool = True, theme: Theme = "light"
) -> bytes:
    """The PNG of `draw_curves`. With the theme `either`, it is transparent, and its grey is read on light and dark."""
    colors = _COLORS | _THEMES[theme]
    style = re.sub(r"var\(--(\w+)\)", lambda name: colors[name[1]], text_of("chart.css"))
    panels = panels_of(records, steps_per_epoch, top5)
    return png_of(
        template("curves.svg.jinja").render(title=title, panels=panels, size=chart, style=style, paper=colors["paper"]),
        _ZOOM,
    )
