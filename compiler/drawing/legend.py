"""The legend below a figure: what its colours and lines mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .elements import Curve, Element, Face, Group, Line, Point, Text
from .text_width import text_width

# The meaning of each look that needs one, in the order of the legend.
CHAIN = {
    "maps": "feature maps",
    "units": "vector",
    "reads": "what one kernel reads, and the value that it computes",
    "across": "reads another tower",
    "flow": "reads the whole layer before it",
}
BRANCHES = {
    "maps": "layer with weights: feature maps",
    "units": "layer with weights: vector",
    "join": "joins several inputs",
    "plain": "other layer, such as pooling",
    "frame": "repeated, drawn once",
}
_SIZE = 10.0  # of the font
_WIDE, _HIGH = 26.0, 12.0  # of a sample
_NEAR, _APART, _LINE_HEIGHT = 6.0, 22.0, 20.0  # between a sample and its words, two entries, and two lines of entries


def legend_of(figure: Sequence[Group], meanings: Mapping[str, str], top: float, right: float) -> Group:
    """The entries for the looks that occur in the figure, from left to right; a line of entries ends before `right`."""
    shown = {element.look for group in figure for element in group.elements if isinstance(element, Face | Line | Curve)}
    elements: list[Element] = []
    left, middle = 0.0, top + _HIGH / 2
    for look, words in meanings.items():
        if look not in shown:
            continue
        end = left + _WIDE + _NEAR + text_width(words, _SIZE)
        if left and end > right:
            left, middle = 0.0, middle + _LINE_HEIGHT
            end = _WIDE + _NEAR + text_width(words, _SIZE)
        elements += _sample(look, left, middle)
        elements.append(Text(Point(left + _WIDE + _NEAR, middle + 0.35 * _SIZE), words, "note", _SIZE, "start"))
        left = end + _APART
    return Group("", tuple(elements))


def _sample(look: str, left: float, middle: float) -> list[Element]:
    """A small face or a piece of the line."""
    start, end = Point(left, middle), Point(left + _WIDE, middle)
    if look in ("across", "flow"):
        return [Line((start, end), look)]
    half = _HIGH / 2
    if look == "reads":
        window = _rectangle(left, left + 12, middle - 5, middle + 5)
        return [Face(window, "kernel"), *(Line((corner, end), look) for corner in window[1:3])]
    corners = _rectangle(left, left + _WIDE, middle - half, middle + half)
    return [Line((*corners, corners[0]), look)] if look == "frame" else [Face(corners, look)]


def _rectangle(left: float, right: float, top: float, bottom: float) -> tuple[Point, ...]:
    return Point(left, top), Point(right, top), Point(right, bottom), Point(left, bottom)
