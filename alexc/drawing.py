"""What `Net.draw` returns."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Drawing:
    """A network's picture; `svg` is the text of an SVG file. Jupyter shows it."""

    svg: str

    def __repr__(self) -> str:
        return f"<a picture: {len(self.svg):,} characters of SVG>"

    def _repr_svg_(self) -> str:
        return self.svg
