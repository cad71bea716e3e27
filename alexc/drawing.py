"""The result of `Net.draw`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Drawing:
    """A drawing of a network; `svg` is the text of an SVG file. Jupyter shows the drawing."""

    svg: str

    def __repr__(self) -> str:
        return f"<Drawing: {len(self.svg):,} characters of SVG>"

    def _repr_svg_(self) -> str:
        return self.svg
