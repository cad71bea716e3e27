"""A network with branches as blocks that read each other, and rows of equal blocks as one of them."""

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
    """A layer with the parts that follow it and keep its shape.

    Attributes:
        name: the layer's; "" for the image.
        title: the layer in words.
        notes: what stands beneath the name.
        kinds: the layer's kind, and those of the parts that follow it.
        output: the shape that it makes.
        neurons: its units, 0 where it has no weights.
        reads: the places of the blocks that it reads, in the list that it stands in.
    """

    name: str
    title: str
    notes: tuple[str, ...]
    kinds: tuple[Kind, ...]
    output: Shape
    neurons: int
    reads: tuple[int, ...]


@dataclass(frozen=True)
class Repeat:
    """Blocks that stand for several times themselves: their places, how many times, the name of the last of all."""

    blocks: tuple[int, ...]
    times: int
    last: str


def blocks_of(graph: Graph) -> list[Block]:
    """The blocks of a network, the image first, each after those that it reads."""
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
    image = Block("", f"the image: {graph.net.input}", (), (), graph.net.input, 0, ())
    return [image, *(_block(nodes, made_in) for nodes in groups)]


def levels_of(blocks: Sequence[Block]) -> list[int]:
    """How many blocks, at most, lie on a way from the image to each block."""
    levels: list[int] = []
    for block in blocks:
        levels.append(1 + max((levels[read] for read in block.reads), default=-1))
    return levels


def cuts_of(blocks: Sequence[Block], levels: Sequence[int]) -> dict[int, int]:
    """The levels below which a single block is read, with that block."""
    until: dict[int, int] = {}
    for place, block in enumerate(blocks):
        for read in block.reads:
            until[read] = max(until.get(read, 0), levels[place])
    ends: dict[int, list[int]] = {}
    starts: dict[int, list[int]] = {}
    for place, end in until.items():
        starts.setdefault(levels[place], []).append(place)
        ends.setdefault(end, []).append(place)
    cuts, alive = {}, set[int]()
    for level in range(max(levels)):
        alive.difference_update(ends.get(level, ()))
        alive.update(starts.get(level, ()))
        if len(alive) == 1:
            (cuts[level],) = alive
    return cuts


def fold(blocks: Sequence[Block]) -> tuple[list[Block], list[Repeat]]:
    """The blocks without those that only repeat the ones before them, and what is repeated.

    Two stretches of the network are alike when each reads the one before it at a single place, and their kinds, shapes
    and wiring are equal; names and initial weights may differ.
    """
    levels = levels_of(blocks)
    cuts = cuts_of(blocks, levels)
    by_level: list[list[int]] = [[] for _ in range(max(levels) + 1)]
    for place, level in enumerate(levels):
        by_level[level].append(place)
    stretches: list[_Stretch] = []
    entry, places = -1, list[int]()
    for level, found in enumerate(by_level):
        places += found
        if level in cuts or level == len(by_level) - 1:
            leaves = cuts.get(level, -1)
            stretches.append(_stretch(blocks, sorted(places), entry, leaves))
            entry, places = leaves, []
    return _without_repeats(blocks, stretches)


@dataclass(frozen=True)
class _Stretch:
    """Blocks between two cuts; `leaves` is the one that is read below them; `form` is equal for alike ones."""

    places: tuple[int, ...]
    leaves: int
    form: tuple[object, ...]


def _stretch(blocks: Sequence[Block], places: Sequence[int], entry: int, leaves: int) -> _Stretch:
    within = {entry: -1, **{place: number for number, place in enumerate(places)}}
    form = tuple(
        (blocks[place].kinds, blocks[place].output, tuple(within[read] for read in blocks[place].reads))
        for place in places
    )
    return _Stretch(tuple(places), leaves, (form, within.get(leaves)))


def _without_repeats(blocks: Sequence[Block], stretches: Sequence[_Stretch]) -> tuple[list[Block], list[Repeat]]:
    kept: list[Block] = []
    repeats: list[Repeat] = []
    now_at: dict[int, int] = {}  # where a block, or the one that stands for it, is in `kept`
    for _, alike in groupby(stretches, lambda stretch: stretch.form):
        first, *others = alike
        repeated = bool(others) and first.leaves in first.places
        drawn = [first] if repeated else [first, *others]
        for stretch in drawn:
            for place in stretch.places:
                now_at[place] = len(kept)
                block = blocks[place]
                kept.append(replace(block, reads=tuple(now_at[read] for read in block.reads)))
        if repeated:
            now_at |= {
                there: now_at[here] for other in others for here, there in zip(first.places, other.places, strict=True)
            }
            last = others[-1]
            places = tuple(now_at[place] for place in first.places)
            repeats.append(Repeat(places, 1 + len(others), blocks[last.leaves].name))
            for here, there in zip(first.places, last.places, strict=True):
                at = now_at[here]
                title = f"{1 + len(others)} times, to {blocks[there].name}; {kept[at].title}"
                kept[at] = replace(kept[at], title=title)
    return kept, repeats


def _follows(node: Node) -> bool:
    """Whether a layer belongs to the block of the one that it reads."""
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
    )
