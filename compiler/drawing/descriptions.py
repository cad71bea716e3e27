"""Describes layers in words, for the titles and captions of a drawing."""

from __future__ import annotations

from collections.abc import Sequence

from ..graph.graph import Graph, Node
from ..layers.convolving import Convolving
from ..layers.kind import towers_text
from ..layers.pooling import Pooling

_KINDS = {
    "adaptive_avgpool": "mean pooling",
    "avgpool": "mean pooling",
    "batchnorm": "batch norm",
    "blur": "Gaussian blur",
    "conv": "convolution",
    "global_avgpool": "mean of each map",
    "global_maxpool": "maximum of each map",
    "layernorm": "layer norm",
    "linear": "dense",
    "local": "local convolution",
    "flip": "mirror image",
    "lrn": "response norm",
    "maxpool": "max pooling",
    "subsample": "subsampling",
}


def describe_kind(node: Node) -> str:
    """The usual name of the kind; by default its keyword."""
    keyword = node.layer.kind.keyword
    return _KINDS.get(keyword, keyword.replace("_", " "))


def describe_layer(nodes: Sequence[Node]) -> str:
    """A layer and the layers drawn with it: kind, kernels, input, output shape, parameters."""
    first = nodes[0]
    facts = [describe_kind(first), *_kernels(first), *_reading(first), f"output {first.output}"]
    parameters = sum(node.weight_count + node.bias_count for node in nodes)
    if parameters:
        facts.append(f"{parameters:,} parameters")
    if nodes[1:]:
        facts.append("then " + " ".join(node.layer.kind.keyword for node in nodes[1:]))
    if nodes[-1].output != first.output:
        facts.append(f"leaves {nodes[-1].output}")
    return f"{first.layer.name}: {', '.join(facts)}"


def describe_network(graph: Graph) -> str:
    """The input shape of a network, and its sums."""
    towers = f", {towers_text(graph.net.towers)} towers" if graph.net.towers > 1 else ""
    sums = f"{graph.parameters:,} parameters, {graph.multiply_adds:,} multiply-adds per image"
    return f"reads {graph.net.input}{towers}; {sums}"


def describe_window(node: Node) -> list[str]:
    """The window and the stride of a convolution or a pooling: `3×3`, `stride 2`; empty for other kinds."""
    kind = node.layer.kind
    if isinstance(kind, Convolving):
        return [_size(kind.kernel), *([] if kind.stride == (1, 1) else [f"stride {_pair(kind.stride)}"])]
    if isinstance(kind, Pooling):
        return [_size(kind.window), f"stride {_pair(kind.stride or kind.window)}"]
    return []


def _kernels(node: Node) -> list[str]:
    kind = node.layer.kind
    if isinstance(kind, Convolving):
        assert node.weights is not None
        depth = node.weights.shape[1]
        groups = [f"{kind.groups} groups"] if kind.groups > 1 else []
        stride = [] if kind.stride == (1, 1) else [f"stride {_pair(kind.stride)}"]
        return [f"{kind.kernels} kernels of {kind.kernel[0]}x{kind.kernel[1]}x{depth}", *stride, *groups]
    return [f"window {' '.join(describe_window(node)).replace('×', 'x')}"] if isinstance(kind, Pooling) else []


def _reading(node: Node) -> list[str]:
    if node.given[0].towers == 1:
        return ["reads the image"] if node.layer.inputs == (None,) else []
    reads = getattr(node.layer.kind, "reads", None)
    words = {
        "tower": ["reads its own tower"],
        "row": ["reads the towers of its row"],
        "cross": ["reads the towers of its row and its column"],
        "all": ["reads all towers"],
    }
    return words.get(reads or "", [])


def _size(pair: tuple[int, int]) -> str:
    return f"{pair[0]}×{pair[1]}"


def _pair(pair: tuple[int, int]) -> str:
    return str(pair[0]) if pair[0] == pair[1] else f"{pair[0]}×{pair[1]}"
