"""The texts that an editor shows behind the layers: their output shapes and the number of their weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice, pairwise
from typing import Literal, get_args

from lsprotocol.types import InlayHint, Range

from alexc.compiler.graph.graph import Node

from .spec import LONGEST_TEXT, Spec

Detail = Literal["off", "lines", "layers"]
DETAILS: tuple[str, ...] = get_args(Detail)
_MOST_HINTS = 5000


def inlay_hints(spec: Spec, place: Range, detail: Detail) -> list[InlayHint]:
    """The hints in a part of the text.

    While the text has errors, these are the values of its last valid version, at the lines that did not change.

    Args:
        spec: the document.
        place: the part.
        detail: `layers` for each layer that changes the shape, `lines` for the last layer of each line, or `off`.
    """
    valid = spec if spec.checked.graph is not None else spec.last_valid
    is_long = valid is not spec and len(spec.text) > LONGEST_TEXT
    if detail == "off" or valid is None or valid.checked.graph is None or is_long:
        return []
    start, end = spec.positions.offset(place.start), spec.positions.offset(place.end)
    moved = _moves(valid.text, spec.text)
    hints = (
        InlayHint(spec.positions.position(offset), text, tooltip=tooltip, padding_left=True)
        for old, text, tooltip in _texts(valid, detail)
        if (offset := moved(old)) is not None and start <= offset <= end
    )
    return list(islice(hints, _MOST_HINTS))


def _texts(valid: Spec, detail: Detail) -> Iterator[tuple[int, str, str]]:
    """The end of each step in the text, its hint, and a longer text. A step of a block can stand for many layers.

    The step of a layer that a variant changes is the edit: `conv1: kernel=7`.
    """
    graph = valid.checked.graph
    assert graph is not None
    copies: dict[int, list[Node]] = {}
    for node, after in pairwise([*graph.nodes, None]):
        assert node is not None
        is_last = after is None or after.layer.line != node.layer.line
        changes = {*node.given} != {node.output}
        ends = [span.end for span in node.layer.written_parts if span.source is valid.source]
        if ends and (is_last if detail == "lines" else changes):
            copies.setdefault(max(ends), []).append(node)
    for end, nodes in copies.items():
        yield end, _hint(nodes), "\n".join(_in_words(node) for node in nodes[:8])


def _hint(nodes: Sequence[Node]) -> str:
    shapes = list(dict.fromkeys(str(node.output) for node in nodes))
    shape = shapes[0] if len(shapes) == 1 else f"{shapes[0]} … {shapes[-1]}"
    counts = {node.weight_count for node in nodes}
    count = counts.pop()
    return f"{shape} · {_short(count)}" if count and not counts else shape


def _short(count: int) -> str:
    """A number in three digits: `288`, `34.8K`, `37.7M`."""
    value, unit = float(count), ""
    for unit_ in ("K", "M", "G"):
        if value >= 999.5:
            value, unit = value / 1000, unit_
    return f"{value:.3g}{unit}"


def _in_words(node: Node) -> str:
    weights = f"; {node.weight_count:,} weights and {node.bias_count:,} biases" if node.weights else ""
    return f"{node.layer.name}: output {node.output}{weights}"


def _moves(old: str, new: str) -> Callable[[int], int | None]:
    """Where an offset of the old text is in the new one; None where the text changed."""
    if old == new:
        return lambda offset: offset
    before = _alike(old, new)
    after = _alike(old[before:][::-1], new[before:][::-1])

    def moved(offset: int) -> int | None:
        if offset <= before:
            return offset
        return offset + len(new) - len(old) if offset >= len(old) - after else None

    return moved


def _alike(one: str, other: str) -> int:
    """The number of characters at the beginning that two texts share."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((place for place, (first, second) in pairs if first != second), min(len(one), len(other)))
