"""A network without branches as the volumes and vectors that it goes through."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from ..graph.graph import Graph, Node
from ..layers.convolving import Convolving
from ..layers.kind import Shape
from .descriptions import describe_kind, describe_layer, describe_window


@dataclass(frozen=True)
class Stage:
    """The image, or what a layer makes.

    Attributes:
        name: the layer's; "" for the image.
        title: the layer in words.
        shape: what is made.
        caption: what stands beneath the name; of the last stage, with what follows it.
        way: what happens on the way from the stage before: pools, strides.
        window: the share of the maps before it that one kernel sees, down and across; None where it sees all.
        across: whether each tower reads those of all.
        whole: whether one thing is made for all towers: the image, and what the loss reads.
    """

    name: str
    title: str
    shape: Shape
    caption: tuple[str, ...]
    way: tuple[str, ...]
    window: tuple[float, float] | None
    across: bool
    whole: bool

    @property
    def towers(self) -> int:
        """In how many parts it is drawn."""
        return 1 if self.whole else self.shape.towers

    @property
    def share(self) -> Shape:
        """The shape of one part."""
        return self.shape.share(self.towers)


def is_chain(graph: Graph) -> bool:
    """Whether each layer reads the one before it and nothing else."""
    names = [None, *(node.layer.name for node in graph.nodes)]
    return all(node.layer.inputs == (before,) for before, node in zip(names, graph.nodes, strict=False))


def stages_of(graph: Graph) -> list[Stage]:
    """The stages of a chain, the image first: each layer that makes neurons, and each that makes a vector of maps."""
    stages = [Stage("", f"the image: {graph.net.input}", graph.net.input, (), (), None, False, True)]
    starts = [place for place, node in enumerate(graph.nodes) if _is_stage(node)]
    way = _ways(graph.nodes[: starts[0] if starts else None])
    for start, end in pairwise([*starts, len(graph.nodes)]):
        nodes = graph.nodes[start:end]
        stages.append(_stage(nodes, way, last=end == len(graph.nodes)))
        way = _ways(nodes[1:])
    stages[-1] = replace(stages[-1], caption=(*stages[-1].caption, *way))
    return stages


def _is_stage(node: Node) -> bool:
    makes_vector = len(node.output.sizes) < len(node.given[0].sizes) and not node.layer.kind.alias
    return node.neurons > 0 or makes_vector


def _stage(nodes: Sequence[Node], way: tuple[str, ...], *, last: bool) -> Stage:
    first = nodes[0]
    kind = first.layer.kind
    given = first.given[0]
    across = given.towers > 1 and getattr(kind, "reads", None) == "all"
    window, caption = None, [f"{first.neurons:,} units"] if first.neurons else []
    if isinstance(kind, Convolving):
        high, wide = kind.reach()
        window = (min(1.0, high / given.sizes[1]), min(1.0, wide / given.sizes[2]))
        caption = [f"{kind.kernels:,} kernels", "×".join(map(str, (*kind.kernel, _depth(first))))]
    return Stage(
        name=first.layer.name,
        title=describe_layer(nodes),
        shape=first.output,
        caption=tuple(caption),
        way=(*way, *_step(first)),
        window=window,
        across=across,
        whole=last and (across or given.towers == 1) and len(first.output.sizes) == 1,
    )


def _depth(node: Node) -> int:
    assert node.weights is not None
    return node.weights.shape[1]


def _ways(nodes: Sequence[Node]) -> tuple[str, ...]:
    """What a picture says of the parts that follow a layer: pools, and what belongs to the loss."""
    return tuple(word for node in nodes for word in _way(node))


def _way(node: Node) -> list[str]:
    if node.layer.kind.in_loss:
        return [describe_kind(node)]
    if node.output.sizes != node.given[0].sizes and not node.layer.kind.alias:
        return [describe_kind(node), ", ".join(describe_window(node))]
    return []


def _step(node: Node) -> list[str]:
    """What a picture says of the way into a layer: a stride, or a kind that is no convolution."""
    kind = node.layer.kind
    if isinstance(kind, Convolving):
        strides = [word.replace("stride", "stride of") for word in describe_window(node)[1:]]
        return strides if kind.keyword == "conv" else [*strides, describe_kind(node)]
    return [describe_kind(node)]
