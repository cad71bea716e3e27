"""Writes a drawing as an SVG file, with colours for light and dark themes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Literal
from xml.sax.saxutils import escape, quoteattr

from .elements import Curve, Drawing, Element, Face, Group, Line, Text

Theme = Literal["light", "dark", "either"]

MADE_BY = 'class="alexc-picture"'  # marks an SVG file that alexc wrote

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
# The opacity of each kind of face; the colour and the style of each kind of line.
_FACES = {"image": 0.85, "maps": 0.72, "units": 0.85, "join": 1, "plain": 1, "kernel": 0.18}
_LINES = {
    "reads": ("kernel", "stroke-width: .8"),
    "across": ("across", "stroke-width: 1; stroke-dasharray: 1.5 2.5; stroke-linecap: round"),
    "flow": ("soft", "stroke-width: 1"),
    "lead": ("soft", "stroke-width: 1"),
    "frame": ("soft", "stroke-width: 1; stroke-dasharray: 5 4"),
}

# How pages tell their theme, which may differ from the reader's preference: Jupyter, VS Code, Colab, Material and
# Zensical, Sphinx. A picture that is part of the page follows it; a picture in an <img> cannot see it.
_LIGHT_PAGES = (
    '[data-jp-theme-light="true"]',
    '[data-vscode-theme-kind$="light"]',
    'html[theme="light"]',
    '[data-md-color-scheme="default"]',
    '[data-theme="light"]',
)
_DARK_PAGES = (
    '[data-jp-theme-light="false"]',
    '[data-vscode-theme-kind="vscode-dark"]',
    '[data-vscode-theme-kind="vscode-high-contrast"]',
    'html[theme="dark"]',
    '[data-md-color-scheme="slate"]',
    '[data-theme="dark"]',
)


def svg_of(drawing: Drawing, theme: Theme = "either", number: int | None = None) -> str:
    """The text of the SVG file.

    Args:
        drawing: the drawing.
        theme: the colours. `either` follows the theme of the page; for a file, it follows the reader's preference.
        number: for a notebook, a number that becomes part of all identifiers: it may show the same network twice.
            Layers are no links then, because JupyterLab fails on links of an SVG.
    """
    box = drawing.box
    name = f"alexc-{_identifier(drawing.title)}{'' if number is None else f'-{number}'}"
    width, height = map(_number, drawing.size)
    view = " ".join(map(_number, (box.left, box.top, *drawing.size)))
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {MADE_BY} data-colors="{theme}" '
            f'role="graphics-document document" viewBox="{view}" width="{width}" height="{height}" '
            f'aria-labelledby="{name}-title {name}-description">',
            f'<title id="{name}-title">{escape(drawing.title)}</title>',
            f'<desc id="{name}-description">{escape(drawing.description)}</desc>',
            f"<style>\n{_style(theme)}\n</style>",
            f'<rect class="paper" x="{_number(box.left)}" y="{_number(box.top)}" width="{width}" height="{height}"/>',
            *[line for group in drawing.groups for line in _group(group, name, linked=number is None)],
            "</svg>\n",
        ]
    )


def _style(theme: Theme) -> str:
    fixed = _rules(
        {
            "text": f"font-family: {_FONTS}; letter-spacing: normal",
            "a": "text-decoration: none",
            ".name": "font-weight: bold",
            ".label": "paint-order: stroke; stroke-width: 3; stroke-linejoin: round",
            **{f".{look}": f"fill: none; {how}" for look, (_, how) in _LINES.items()},
            **{f"polygon.{look}": f"fill-opacity: {share}; stroke-linejoin: round" for look, share in _FACES.items()},
        }
    )
    colored = f'[data-colors="{theme}"]'
    light, dark = (_rules(_colors(colors), colored) for colors in (_LIGHT, _DARK))
    if theme != "either":
        return f"{fixed}\n{dark if theme == 'dark' else light}"
    # Programs that are no browser skip what is in @media, and need not understand nested rules.
    light_pages, dark_pages = (f":is({', '.join(pages)})" for pages in (_LIGHT_PAGES, _DARK_PAGES))
    return (
        f"{fixed}\n{light}\n@media (prefers-color-scheme: dark) {{\n{dark}\n}}\n"
        f"@media screen {{\n{light_pages} {{\n{light}\n}}\n{dark_pages} {{\n{dark}\n}}\n}}"
    )


def _rules(rules: Mapping[str, str], where: str = "") -> str:
    """CSS rules that apply only inside the drawing, also when it is part of an HTML page."""
    return "\n".join(f".alexc-picture{where} {what} {{ {how} }}" for what, how in rules.items())


def _colors(colors: Mapping[str, str]) -> dict[str, str]:
    edges = {look: colors["kernel" if look == "kernel" else "ink"] for look in _FACES}
    return {
        ".paper": f"fill: {colors['paper']}",
        ".name": f"fill: {colors['ink']}",
        ".note": f"fill: {colors['soft']}",
        ".label": f"fill: {colors['ink']}; stroke: {colors['paper']}",
        **{f"polygon.{look}": f"fill: {colors[look]}; stroke: {edge}" for look, edge in edges.items()},
        **{f".{look}": f"stroke: {colors[color]}" for look, (color, _) in _LINES.items()},
    }


def _group(group: Group, prefix: str, *, linked: bool) -> list[str]:
    title = [f"<title>{escape(group.title)}</title>"] if group.title else []
    content = [*title, *map(_element, group.elements)]
    if not group.name:
        return ["<g>", *content, "</g>"]
    # The Tab key moves from layer to layer, and a screen reader reads each. Pages can link to a link.
    target, label = f"{prefix}-layer-{_identifier(group.name)}", quoteattr(group.title)
    if linked:
        return [f'<a id="{target}" href="#{target}" aria-label={label}>', *content, "</a>"]
    return [f'<g id="{target}" tabindex="0" role="img" aria-label={label}>', *content, "</g>"]


def _element(element: Element) -> str:
    match element:
        case Face(corners, look):
            return f'<polygon class="{look}" points="{_points(corners)}"/>'
        case Line(points, look):
            return f'<polyline class="{look}" points="{_points(points)}"/>'
        case Curve(points, look):
            return f'<path class="{look}" d="{_path(points)}"/>'
        case Text(at, words, look, size, anchor):
            position = f'x="{_number(at.x)}" y="{_number(at.y)}" font-size="{_number(size)}" text-anchor="{anchor}"'
            return f'<text class="{look}" {position}>{escape(words)}</text>'


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
    """A number with at most two decimals: nobody sees a hundredth of a pixel."""
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def _identifier(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]", "-", name)
