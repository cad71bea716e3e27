"""A network without branches as stages: the image, and the feature maps and vectors that follow it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

from ..graph.graph import Graph, Node
from ..layers.convolving import Convolving
from ..layers.kind import Shape
from ..layers.reading import Reads
from .descriptions import describe_kind, describe_layer, describe_window


@dataclass(frozen=True)
class Stage:
    """The image, or the output of a layer.

    Attributes:
        name: the name of the layer; "" for the image.
        title: the description of the layer.
        shape: the shape of the output.
        caption: the lines below the name; for the last stage, also the layers after it.
        between: the lines between the stage before and this one: poolings, strides.
        window: the share of the input's height and width that one kernel covers; None if the layer reads all of it.
        reads: the towers that each tower reads; None if the layer has no such argument.
        whole: whether it is drawn once for all towers, as the image and the input of the loss are.
        layers: the names of the layer and of those after it, up to the next stage.
    """

    name: str
    title: str
    shape: Shape
    caption: tuple[str, ...]
    between: tuple[str, ...]
    window: tuple[float, float] | None
    reads: Reads
    whole: bool
    layers: tuple[str, ...]

    @property
    def towers(self) -> int:
        """The number of parts in which it is drawn."""
        return 1 if self.whole else self.shape.towers

    @cached_property
    def share(self) -> Shape:
        """The shape of one part."""
        return self.shape.share(self.towers)


def is_chain(graph: Graph) -> bool:
    """Whether each layer reads only the layer before it."""
    names = [None, *(node.layer.name for node in graph.nodes)]
    return all(node.layer.inputs == (before,) for before, node in zip(names, graph.nodes, strict=False))


def stages_of(graph: Graph) -> list[Stage]:
    """The stages of a chain: the image, then each layer with weights and each layer that turns maps into a vector."""
    stages = [Stage("", f"the image: {graph.net.input}", graph.net.input, (), (), None, None, True, ())]
    starts = [index for index, node in enumerate(graph.nodes) if _is_stage(node)]
    before = graph.nodes[: starts[0] if starts else None]  # layers that the first stage is drawn for too
    between = _between(before)
    for start, end in pairwise([*starts, len(graph.nodes)]):
        nodes = graph.nodes[start:end]
        stage = _stage(nodes, between, last=end == len(graph.nodes))
        stages.append(replace(stage, layers=(*(node.layer.name for node in before), *stage.layers)))
        between, before = _between(nodes[1:]), ()
    stages[-1] = replace(stages[-1], caption=(*stages[-1].caption, *between))
    return stages


def _is_stage(node: Node) -> bool:
    makes_vector = len(node.output.sizes) < len(node.given[0].sizes) and not node.layer.kind.alias
    return node.neurons > 0 or makes_vector


def _stage(nodes: Sequence[Node], between: tuple[str, ...], *, last: bool) -> Stage:
    first = nodes[0]
    kind = first.layer.kind
    given = first.given[0]
    reads = getattr(kind, "reads", None)
    window, caption = None, [f"{first.neurons:,} units"] if first.neurons else []
    if isinstance(kind, Convolving):
        high, wide = kind.reach()
        window = (min(1.0, high / given.sizes[1]), min(1.0, wide / given.sizes[2]))
        caption = [f"{kind.kernels:,} kernels", "×".join(map(str, (*kind.kernel, _depth(first))))]
    return Stage(
        layers=tuple(node.layer.name for node in nodes),
        name=first.layer.name,
        title=describe_layer(nodes),
        shape=first.output,
        caption=tuple(caption),
        between=(*between, *_entry_words(first)),
        window=window,
        reads=reads,
        whole=last and (given.towers == 1 or reads not in (None, "tower")) and len(first.output.sizes) == 1,
    )


def _depth(node: Node) -> int:
    assert node.weights is not None
    return node.weights.shape[1]


def _between(nodes: Sequence[Node]) -> tuple[str, ...]:
    """The lines for the layers between two stages: poolings, and what belongs to the loss."""
    return tuple(word for node in nodes for word in _words(node))


def _words(node: Node) -> list[str]:
    if node.layer.kind.in_loss:
        return [describe_kind(node)]
    if node.output.sizes != node.given[0].sizes and not node.layer.kind.alias:
        return [describe_kind(node), ", ".join(describe_window(node))]
    return []


def _entry_words(node: Node) -> list[str]:
    """The lines before a stage: its stride, or its kind if that is not a convolution."""
    kind = node.layer.kind
    if isinstance(kind, Convolving):
        strides = [word.replace("stride", "stride of") for word in describe_window(node)[1:]]
        return strides if kind.keyword == "conv" else [*strides, describe_kind(node)]
    return [describe_kind(node)]
