"""Draws a network: chooses the figure, and adds the heading and the margin."""

from __future__ import annotations

from ..graph.graph import Graph
from .blocks import blocks_of
from .chain_figure import MOST_TOWERS, draw_chain
from .descriptions import describe_network
from .elements import Box, Drawing, Group, Point, Text, box_of
from .graph_figure import draw_graph
from .legend import BRANCHES, CHAIN, legend_of
from .stages import is_chain, stages_of
from .svg import Theme, svg_of

_MARGIN = 16.0
_ABOVE_LEGEND = 24.0


def draw_svg(graph: Graph, theme: Theme = "either") -> str:
    """The drawing of a network as the text of an SVG file; the same network and theme give the same bytes."""
    return svg_of(drawing_of(graph), theme)


def drawing_of(graph: Graph) -> Drawing:
    """The drawing of a network: volumes in a row for a chain, otherwise boxes in layers."""
    words = describe_network(graph)
    if graph.net.towers > MOST_TOWERS:
        words += f"; {MOST_TOWERS} of the towers are drawn"
    heading = Group(
        "", (Text(Point(0, 16), graph.net.name, "name", 16, "start"), Text(Point(0, 34), words, "note", 11, "start"))
    )
    if is_chain(graph):
        figure, meanings = draw_chain(stages_of(graph), 58), CHAIN
    else:
        figure, meanings = draw_graph(blocks_of(graph), 58), BRANCHES
    box = _box(heading, *figure)
    groups = (heading, *figure, legend_of(figure, meanings, box.bottom + _ABOVE_LEGEND, box.right))
    box = _box(*groups)
    around = Box(box.left - _MARGIN, box.top - _MARGIN, box.right + _MARGIN, box.bottom + _MARGIN)
    layers = [group.title for group in groups if group.title]
    return Drawing(graph.net.name, f"{graph.net.name} {words}. {'. '.join(layers)}.", groups, around)


def _box(*groups: Group) -> Box:
    return box_of([element for group in groups for element in group.elements])
