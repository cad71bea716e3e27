"""A network with branches as blocks that read each other; equal blocks in a row are folded into one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from ..graph.graph import Graph, Node
from ..layers.kind import Join, Kind, Shape
from ..layers.pooling import Pooling
from .descriptions import describe_kind, describe_layer, describe_window


@dataclass(frozen=True)
class Block:
    """A layer together with the following layers that keep its shape.

    Attributes:
        name: the name of the first layer; "" for the image.
        title: the description of the layers.
        notes: the lines below the name.
        kinds: the kinds of the layers.
        output: the output shape.
        neurons: the output units; 0 without weights.
        reads: the indices of the blocks that it reads.
        layers: the names of the layers; where it is drawn for several equal blocks, of the layers of all.
    """

    name: str
    title: str
    notes: tuple[str, ...]
    kinds: tuple[Kind, ...]
    output: Shape
    neurons: int
    reads: tuple[int, ...]
    layers: tuple[str, ...]


@dataclass(frozen=True)
class Repeat:
    """Blocks that are drawn once for several equal ones: indices, number of times, name of the last block of all."""

    blocks: tuple[int, ...]
    times: int
    last: str


def blocks_of(graph: Graph) -> list[Block]:
    """The blocks of a network: the image first, each block after those that it reads."""
    groups: list[list[Node]] = []
    made_in: dict[str | None, int] = {None: 0}
    readers: dict[str | None, int] = {}
    for node in graph.nodes:
        for name in node.layer.inputs:
            readers[name] = readers.get(name, 0) + 1
    for node in graph.nodes:
        before = node.layer.inputs[0]
        if before is not None and readers[before] == 1 and _follows(node):
            groups[made_in[before] - 1].append(node)
            made_in[node.layer.name] = made_in[before]
        else:
            groups.append([node])
            made_in[node.layer.name] = len(groups)
    image = Block("", f"the image: {graph.net.input}", (), (), graph.net.input, 0, (), ())
    return [image, *(_block(nodes, made_in) for nodes in groups)]


def levels_of(blocks: Sequence[Block]) -> list[int]:
    """The level of each block: the length of the longest path from the image to it."""
    levels: list[int] = []
    for block in blocks:
        levels.append(1 + max((levels[read] for read in block.reads), default=-1))
    return levels


def cuts_of(blocks: Sequence[Block], levels: Sequence[int]) -> dict[int, int]:
    """The levels below which only a single block is read, each with the index of that block."""
    until: dict[int, int] = {}
    for index, block in enumerate(blocks):
        for read in block.reads:
            until[read] = max(until.get(read, 0), levels[index])
    ends: dict[int, list[int]] = {}
    starts: dict[int, list[int]] = {}
    for index, end in until.items():
        starts.setdefault(levels[index], []).append(index)
        ends.setdefault(end, []).append(index)
    cuts, alive = {}, set[int]()
    for level in range(max(levels)):
        alive.difference_update(ends.get(level, ()))
        alive.update(starts.get(level, ()))
        if len(alive) == 1:
            (cuts[level],) = alive
    return cuts


def fold(blocks: Sequence[Block]) -> tuple[list[Block], list[Repeat]]:
    """The blocks without those that only repeat the blocks before them, and the repeats.

    Two sections of the network are equal if each reads only a single block of the section before it, and their kinds,
    shapes and connections are equal. Names and initial weights may differ.
    """
    levels = levels_of(blocks)
    cuts = cuts_of(blocks, levels)
    by_level: list[list[int]] = [[] for _ in range(max(levels) + 1)]
    for index, level in enumerate(levels):
        by_level[level].append(index)
    sections: list[_Section] = []
    entry, indices = -1, list[int]()
    for level, found in enumerate(by_level):
        indices += found
        if level in cuts or level == len(by_level) - 1:
            leaves = cuts.get(level, -1)
            sections.append(_section(blocks, sorted(indices), entry, leaves))
            entry, indices = leaves, []
    return _without_repeats(blocks, sections)


@dataclass(frozen=True)
class _Section:
    """The blocks between two cuts; `leaves` is the block that is read below; equal sections have equal `form`."""

    indices: tuple[int, ...]
    leaves: int
    form: tuple[object, ...]


def _section(blocks: Sequence[Block], indices: Sequence[int], entry: int, leaves: int) -> _Section:
    within = {entry: -1, **{index: number for number, index in enumerate(indices)}}
    form = tuple(
        (blocks[index].kinds, blocks[index].output, tuple(within[read] for read in blocks[index].reads))
        for index in indices
    )
    return _Section(tuple(indices), leaves, (form, within.get(leaves)))


def _without_repeats(blocks: Sequence[Block], sections: Sequence[_Section]) -> tuple[list[Block], list[Repeat]]:
    kept: list[Block] = []
    repeats: list[Repeat] = []
    new_index: dict[int, int] = {}  # in `kept`, of each block or of the one that is drawn in its place
    for _, alike in groupby(sections, lambda section: section.form):
        first, *others = alike
        repeated = bool(others) and first.leaves in first.indices
        drawn = [first] if repeated else [first, *others]
        for section in drawn:
            for index in section.indices:
                new_index[index] = len(kept)
                block = blocks[index]
                kept.append(replace(block, reads=tuple(new_index[read] for read in block.reads)))
        if repeated:
            new_index |= {
                there: new_index[here]
                for other in others
                for here, there in zip(first.indices, other.indices, strict=True)
            }
            last = others[-1]
            indices = tuple(new_index[index] for index in first.indices)
            repeats.append(Repeat(indices, 1 + len(others), blocks[last.leaves].name))
            for here, there in zip(first.indices, last.indices, strict=True):
                at = new_index[here]
                title = f"{1 + len(others)} times, to {blocks[there].name}; {kept[at].title}"
                kept[at] = replace(kept[at], title=title)
            for other in others:
                for here, there in zip(first.indices, other.indices, strict=True):
                    at = new_index[here]
                    kept[at] = replace(kept[at], layers=(*kept[at].layers, *blocks[there].layers))
    return kept, repeats


def _follows(node: Node) -> bool:
    """Whether a layer belongs to the block of the layer that it reads."""
    kind = node.layer.kind
    keeps = node.neurons == 0 and node.output.sizes == node.given[0].sizes
    return keeps and not isinstance(kind, Join | Pooling)


def _block(nodes: Sequence[Node], made_in: Mapping[str | None, int]) -> Block:
    first, *others = nodes
    what = ", ".join([describe_kind(first), *describe_window(first)])
    then = " · ".join(describe_kind(node) for node in others)
    notes = (what, then) if describe_window(first) and then else (f"{what} · {then}" if then else what,)
    return Block(
        name=first.layer.name,
        title=describe_layer(nodes),
        notes=notes,
        kinds=tuple(node.layer.kind for node in nodes),
        output=nodes[-1].output,
        neurons=first.neurons,
        reads=tuple(made_in[name] for name in first.layer.inputs),
        layers=tuple(node.layer.name for node in nodes),
    )
