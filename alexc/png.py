"""Turns an SVG into a PNG."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from resvg_py import svg_to_bytes

_FONTS = ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf")
_LAST_OF_THE_FONTS = "\u024f"  # they have all letters of European languages up to this one


def png_of(svg: str, zoom: float) -> bytes:
    """The picture with `zoom` pixels per SVG unit, in the fonts that matplotlib ships.

    matplotlib is not imported: that takes longer, and it warns where it cannot write its settings. For letters that
    these fonts may lack, the fonts of the system are read too.
    """
    matplotlib = find_spec("matplotlib")
    assert matplotlib is not None
    assert matplotlib.origin is not None
    fonts = Path(matplotlib.origin).parent / "mpl-data" / "fonts" / "ttf"
    return svg_to_bytes(
        svg_string=svg,
        zoom=zoom,
        skip_system_fonts=max(svg) <= _LAST_OF_THE_FONTS,
        font_files=[str(fonts / name) for name in _FONTS],
        font_family="DejaVu Sans",
        sans_serif_family="DejaVu Sans",
    )
