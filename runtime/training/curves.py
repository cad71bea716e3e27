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
Theme = Literal["light", "dark", "either"]

_NAMES = ("train", "val", "val5", "rate", "faint", "edge", "paper")
_COLORS: dict[Theme, tuple[str, ...]] = {
    "light": ("#3b6fb6", "#c8553d", "#e3a857", "#4f7f52", "#30343b", "#dfe3e8", "#ffffff"),
    "dark": ("#6fa3ea", "#ee8065", "#e3b057", "#83ba87", "#e6edf3", "#30363d", "#0d1117"),
    "either": ("#4a7fc9", "#d0624a", "#d59a3a", "#5f9a63", "#7d858f", "#7d858f55", "none"),
}


def draw_curves(
    records: Sequence[dict[str, Any]], title: str, steps_per_epoch: int, path: Path, top5: bool = True
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
    svg = curves_svg(records, title, steps_per_epoch, top5)
    with writing(path, "the run itself is whole, and --resume draws the curves again"):
        write_bytes(path, curves_png(svg))


def curves_svg(
    records: Sequence[dict[str, Any]],
    title: str,
    steps_per_epoch: float | None,
    top5: bool = True,
    theme: Theme = "light",
) -> str:
    """The curves as the text of an SVG; the arguments are those of `draw_curves`.

    With the theme `either`, the background is that of the page, and the colours are read on light and on dark pages.
    """
    colors: dict[str, str] = dict(zip(_NAMES, _COLORS[theme], strict=True))
    style = re.sub(r"var\(--(\w+)\)", lambda name: colors[name[1]], text_of("chart.css"))
    panels = panels_of(records, steps_per_epoch, top5)
    return template("curves.svg.jinja").render(
        title=title, panels=panels, size=chart, style=style, paper=colors["paper"]
    )


def curves_png(svg: str) -> bytes:
    """The PNG of such an SVG."""
    return png_of(svg, _ZOOM)
