"""A picture as the text of an SVG file, with its colours for light and dark."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Literal
from xml.sax.saxutils import escape

from alexc.compiler.drawing.marks import Curve, Face, Group, Line, Mark, Picture, Text

Theme = Literal["light", "dark", "either"]

_LIGHT = {
    "paper": "#ffffff",
    "ink": "#1f2328",
    "soft": "#59636e",
    "image": "#d8d2c4",
    "maps": "#b9d2ee",
    "units": "#f2d9a6",
    "join": "#d5c8ea",
    "plain": "#eceff2",
    "kernel": "#c4370c",
    "across": "#7a3fb0",
}
_DARK = {
    "paper": "#0d1117",
    "ink": "#e6edf3",
    "soft": "#9aa5b1",
    "image": "#4a463b",
    "maps": "#24466b",
    "units": "#5f4a1c",
    "join": "#47386a",
    "plain": "#272d35",
    "kernel": "#ff9a70",
    "across": "#c9a2f5",
}
_FONTS = "Helvetica, Arial, 'Liberation Sans', 'DejaVu Sans', sans-serif"
# What each look is: which colour fills it or draws it, and how.
_FACES = {"image": 0.85, "maps": 0.72, "units": 0.85, "join": 1, "plain": 1, "kernel": 0.18}
_LINES = {
    "edge": ("ink", "stroke-width: 1"),
    "reads": ("kernel", "stroke-width: .8"),
    "across": ("across", "stroke-width: 1; stroke-dasharray: 1.5 2.5; stroke-linecap: round"),
    "flow": ("soft", "stroke-width: 1"),
    "frame": ("soft", "stroke-width: 1; stroke-dasharray: 5 4"),
}


def svg_of(picture: Picture, theme: Theme = "either") -> str:
    """The SVG file. With the theme `either` its colours follow the reader's preference."""
    box = picture.box
    name = f"alexc-{_identifier(picture.title)}"
    width, height = (_number(size) for size in (box.right - box.left, box.bottom - box.top))
    view = " ".join(_number(size) for size in (box.left, box.top, box.right - box.left, box.bottom - box.top))
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" class="alexc" role="img" viewBox="{view}" width="{width}" '
            f'height="{height}" aria-labelledby="{name}-title {name}-description">',
            f'<title id="{name}-title">{escape(picture.title)}</title>',
            f'<desc id="{name}-description">{escape(picture.description)}</desc>',
            f"<style>\n{_style(theme)}\n</style>",
            f'<rect class="paper" x="{_number(box.left)}" y="{_number(box.top)}" width="{width}" height="{height}"/>',
            *[line for group in picture.groups for line in _group(group, name)],
            "</svg>\n",
        ]
    )


def _style(theme: Theme) -> str:
    fixed = [f".alexc text {{ font-family: {_FONTS}; }}", ".alexc .name { font-weight: bold }"]
    fixed += [".alexc .label { paint-order: stroke; stroke-width: 3; stroke-linejoin: round }"]
    fixed += [f".alexc .{look} {{ fill: none; {how} }}" for look, (_, how) in _LINES.items()]
    fixed += [
        f".alexc polygon.{look} {{ fill-opacity: {share}; stroke-linejoin: round }}" for look, share in _FACES.items()
    ]
    if theme != "either":
        return "\n".join(fixed + _colors(_DARK if theme == "dark" else _LIGHT))
    dark = "\n".join(_colors(_DARK))
    return "\n".join([*fixed, *_colors(_LIGHT), f"@media (prefers-color-scheme: dark) {{\n{dark}\n}}"])


def _colors(colors: dict[str, str]) -> list[str]:
    ink = colors["ink"]
    rules = [f".alexc .paper {{ fill: {colors['paper']} }}", f".alexc .name, .alexc .label {{ fill: {ink} }}"]
    rules += [f".alexc .note {{ fill: {colors['soft']} }}", f".alexc .label {{ stroke: {colors['paper']} }}"]
    rules += [
        f".alexc polygon.{look} {{ fill: {colors[look]}; stroke: {colors['kernel'] if look == 'kernel' else ink} }}"
        for look in _FACES
    ]
    return rules + [f".alexc .{look} {{ stroke: {colors[color]} }}" for look, (color, _) in _LINES.items()]


def _group(group: Group, prefix: str) -> list[str]:
    identifier = f' id="{prefix}-layer-{_identifier(group.name)}"' if group.name else ""
    title = [f"<title>{escape(group.title)}</title>"] if group.title else []
    return [f"<g{identifier}>", *title, *map(_mark, group.marks), "</g>"]


def _mark(mark: Mark) -> str:
    match mark:
        case Face(corners, look):
            return f'<polygon class="{look}" points="{_points(corners)}"/>'
        case Line(points, look):
            return f'<polyline class="{look}" points="{_points(points)}"/>'
        case Curve(points, look):
            return f'<path class="{look}" d="{_path(points)}"/>'
        case Text(at, words, look, size, anchor):
            place = f'x="{_number(at.x)}" y="{_number(at.y)}" font-size="{_number(size)}" text-anchor="{anchor}"'
            return f'<text class="{look}" {place}>{escape(words)}</text>'


def _points(points: tuple[tuple[float, float], ...]) -> str:
    return " ".join(f"{_number(x)},{_number(y)}" for x, y in points)


def _path(points: tuple[tuple[float, float], ...]) -> str:
    steps = [f"M{_number(points[0][0])},{_number(points[0][1])}"]
    for (x, y), (next_x, next_y) in pairwise(points):
        middle = (y + next_y) / 2
        bend = (
            f"C{_number(x)},{_number(middle)} {_number(next_x)},{_number(middle)} {_number(next_x)},{_number(next_y)}"
        )
        steps.append(f"V{_number(next_y)}" if _number(x) == _number(next_x) else bend)
    return " ".join(steps)


def _number(value: float) -> str:
    """With at most two decimals: a hundredth of a pixel is not seen."""
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def _identifier(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]", "-", name)
