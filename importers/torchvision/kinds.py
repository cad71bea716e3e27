"""The layer kinds of torch's modules and functions.

Each function returns None if a module computes something that alexc has no kind for.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import nn
from torch.fx import Node
from torchvision.models.convnext import LayerNorm2d  # type: ignore[import-untyped]
from torchvision.models.shufflenetv2 import channel_shuffle  # type: ignore[import-untyped]
from torchvision.ops import stochastic_depth  # type: ignore[import-untyped]

from alexc.compiler.layers.kind import Shape


@dataclass(frozen=True)
class Step:
    """A kind with its arguments.

    Attributes:
        keyword: the kind; None for no layer.
        arguments: its arguments.
        reads: the nodes that it reads, in order; by default the inputs of the traced node.
        name: the parameter of the module that becomes a layer; "" for other layers.
    """

    keyword: str | None
    arguments: Mapping[str, object] = field(default_factory=dict)
    reads: tuple[Node, ...] = ()
    name: str = ""


@dataclass(frozen=True)
class Given:
    """What a node reads: the shape of its first input, and whether the channels are the last dimension.

    The shape is that of the spec, where channels come first. It is None behind a node that is refused.
    """

    shape: Shape | None
    channels_last: bool


_NOTHING = Step(None)
_TO_LAST, _TO_FIRST = ([0, 2, 3, 1],), ([0, 3, 1, 2],)
_SAME_AT_EACH_PLACE = (None, "add", "dropout", "gelu", "layernorm", "multiply", "relu", "stochastic_depth")


def step_of(node: Node, modules: Mapping[str, nn.Module], given: Given) -> Step | None:
    """The kind of a traced node, with its arguments; None if alexc has none."""
    if is_permutation(node):
        return _NOTHING if node.args[1:] == (_TO_FIRST if given.channels_last else _TO_LAST) else None
    if node.op == "call_module":
        step = _step_of_module(modules[str(node.target)], node, given)
    elif node.target is operator.getitem:
        step = _part(node, given.shape)
    elif any(map(is_parameter, node.all_input_nodes)):
        step = _layer_scale(node, modules, given.shape) if node.target is operator.mul else None
    else:
        translate = _FUNCTIONS.get(node.target)
        step = translate(node) if translate else None
    return _at_each_place(step) if given.channels_last else step


def is_parameter(node: Node) -> bool:
    """Whether a node is a parameter or a buffer that the code of a module reads by itself."""
    return node.op == "get_attr"


def is_permutation(node: Node) -> bool:
    """Whether a node permutes dimensions; the only ones with a counterpart move channels to the end or back."""
    return node.target is torch.permute


def _step_of_module(module: nn.Module, node: Node, given: Given) -> Step | None:
    if isinstance(module, nn.AdaptiveAvgPool2d):
        return _adaptive_pool(module.output_size, node)
    if type(module) is nn.LayerNorm and not given.channels_last and given.shape and len(given.shape.sizes) > 1:
        return None  # over the width of maps
    translate = _MODULES.get(type(module))
    return translate(module) if translate else None


def _at_each_place(step: Step | None) -> Step | None:
    """A layer whose input has the channels in the last dimension: there, `linear` is a convolution of 1x1."""
    if step is None or step.keyword in _SAME_AT_EACH_PLACE:
        return step
    if step.keyword != "linear":
        return None
    arguments = dict(step.arguments)
    return Step("conv", {"kernels": arguments.pop("units"), "kernel": (1, 1), **arguments})


def _layernorm(module: nn.LayerNorm) -> Step | None:
    """Over the last dimension, which holds the channels."""
    if len(module.normalized_shape) != 1 or not module.elementwise_affine or module.bias is None:
        return None
    return Step("layernorm", {"eps": module.eps})


def _layer_scale(node: Node, modules: Mapping[str, nn.Module], given: Shape | None) -> Step | None:
    """The product of maps and a parameter with one value for each of them."""
    reads = tuple(each for each in node.all_input_nodes if not is_parameter(each))
    parameters = [str(each.target) for each in node.all_input_nodes if is_parameter(each)]
    if len(reads) != 1 or len(parameters) != 1:
        return None
    path, _, name = parameters[0].rpartition(".")
    shape = tuple(getattr(modules[path], name).shape)
    one_per_map = given is None or shape == (given.channels, 1, 1)
    return Step("layer_scale", reads=reads, name=parameters[0]) if one_per_map else None


def _pair(value: object) -> tuple[int, int]:
    if isinstance(value, int):
        return value, value
    assert isinstance(value, Sequence)
    return (value[0], value[-1])


def _conv(module: nn.Conv2d) -> Step | None:
    if module.padding_mode != "zeros" or isinstance(module.padding, str):
        return None
    arguments = {
        "kernels": module.out_channels,
        "kernel": _pair(module.kernel_size),
        "stride": _pair(module.stride),
        "pad": _pair(module.padding),
        "dilation": _pair(module.dilation),
        "groups": module.groups,
    }
    return Step("conv", arguments if module.bias is not None else {**arguments, "bias": None})


def _linear(module: nn.Linear) -> Step:
    units = {"units": module.out_features}
    return Step("linear", units if module.bias is not None else {**units, "bias": None})


def _batchnorm(module: nn.BatchNorm2d) -> Step | None:
    if not module.affine or not module.track_running_stats or module.momentum is None:
        return None
    return Step("batchnorm", {"eps": module.eps, "momentum": module.momentum})


def _dropout(module: nn.Dropout) -> Step:
    return Step("dropout", {"p": module.p, "scale": "train"}) if module.p else _NOTHING


def _stochastic_depth(node: Node) -> Step | None:
    """`torchvision.ops.stochastic_depth(input, p, mode, training)`; `row` draws for each image."""
    p, mode = node.args[1:3]
    if mode != "row":
        return None
    return Step("stochastic_depth", {"p": p, "scale": "train"}) if p else _NOTHING


def _pooling(keyword: str, window: object, stride: object, pad: object, ceil: bool, **more: object) -> Step:
    size = _pair(window)
    apart = size if stride in (None, []) else _pair(stride)
    arguments = {
        "window": size,
        "stride": None if apart == size else apart,
        "pad": _pair(pad),
        "round": "ceil" if ceil else "floor",
        **more,
    }
    return Step(keyword, arguments)


def _max_pool(module: nn.MaxPool2d) -> Step | None:
    if _pair(module.dilation) != (1, 1) or module.return_indices:
        return None
    return _pooling("maxpool", module.kernel_size, module.stride, module.padding, module.ceil_mode)


def _avg_pool(module: nn.AvgPool2d) -> Step | None:
    if module.divisor_override is not None:
        return None
    count = "yes" if module.count_include_pad else "no"
    return _pooling("avgpool", module.kernel_size, module.stride, module.padding, module.ceil_mode, count_pad=count)


def _adaptive_pool(size: object, node: Node) -> Step | None:
    """The mean of whole maps: a vector if all readers flatten it, otherwise maps of one value."""
    if not isinstance(size, int | tuple) or None in _pair(size):
        return None
    if _pair(size) == (1, 1) and node.users and all(_flattens(user) for user in node.users):
        return Step("global_avgpool")
    return Step("adaptive_avgpool", {"size": _pair(size)})


def _flattens(node: Node) -> bool:
    return node.target in (torch.flatten, "flatten")


def _flatten_module(module: nn.Flatten) -> Step | None:
    return Step("flatten") if (module.start_dim, module.end_dim) == (1, -1) else None


def _flatten(node: Node) -> Step | None:
    from_channels = (node.args[1:], dict(node.kwargs)) in (((1,), {}), ((), {"start_dim": 1}))
    return Step("flatten") if from_channels else None


def _plain(keyword: str | None) -> Callable[..., Step]:
    """The translation of a module or function whose arguments do not matter."""
    return lambda *_: Step(keyword)


def _gelu(module: nn.GELU) -> Step | None:
    return Step("gelu") if module.approximate == "none" else None


def _leaky_relu(module: nn.LeakyReLU) -> Step:
    return Step("leaky_relu", {"slope": module.negative_slope})


def _operation(keyword: str) -> Callable[[Node], Step | None]:
    """The translation of an operator between two tensors."""

    def translate(node: Node) -> Step | None:
        reads = tuple(each for each in node.args if isinstance(each, Node))
        return Step(keyword, reads=reads) if len(reads) == 2 and not node.kwargs else None

    return translate


def _chunk(node: Node) -> Step | None:
    """Equal parts of the channels; `_part` takes one of them."""
    dim = node.args[2] if len(node.args) > 2 else node.kwargs.get("dim", 0)
    return _NOTHING if dim == 1 else None


def _part(node: Node, given: Shape | None) -> Step | None:
    """One of the parts of `_chunk`, all of the same size but the last."""
    chunk, index = node.args
    if not isinstance(chunk, Node) or not isinstance(index, int):
        return None
    if given is None:
        return _NOTHING
    if chunk.target != "chunk":
        return None
    size = -(-given.channels // int(str(chunk.args[1])))
    end = (index + 1) * size
    return Step("slice", {"first": index * size, "end": end if end < given.channels else None})


def _channel_shuffle(node: Node) -> Step:
    return Step("channel_shuffle", {"groups": node.args[1]})


def _cat(node: Node) -> Step | None:
    reads = node.args[0]
    dim = node.args[1] if len(node.args) > 1 else node.kwargs.get("dim", 0)
    if dim != 1 or not isinstance(reads, list | tuple):
        return None
    nodes = tuple(each for each in reads if isinstance(each, Node))
    return Step("concat", reads=nodes) if len(nodes) > 1 else _NOTHING


def _mean(node: Node) -> Step | None:
    over = node.args[1] if len(node.args) > 1 else None
    whole = list(over) in ([2, 3], [-2, -1]) if isinstance(over, list | tuple) else False
    return Step("global_avgpool") if whole and not node.kwargs else None


def _function_pooling(keyword: str) -> Callable[[Node], Step | None]:
    """The translation of `F.max_pool2d` or `F.avg_pool2d`, which have the arguments of the modules."""

    def translate(node: Node) -> Step | None:
        given = dict(zip(("kernel_size", "stride", "padding"), node.args[1:], strict=False)) | dict(node.kwargs)
        window, stride, pad = given.pop("kernel_size"), given.pop("stride", None), given.pop("padding", 0)
        ceil = bool(given.pop("ceil_mode", False))
        if given.pop("dilation", 1) not in (1, (1, 1)) or given.pop("return_indices", False) or given:
            return None
        return _pooling(keyword, window, stride, pad, ceil)

    return translate


def _function_adaptive(node: Node) -> Step | None:
    return _adaptive_pool(node.args[1] if len(node.args) > 1 else node.kwargs.get("output_size"), node)


_MODULES: dict[type[nn.Module], Callable[..., Step | None]] = {
    nn.AvgPool2d: _avg_pool,
    nn.BatchNorm2d: _batchnorm,
    nn.Conv2d: _conv,
    nn.Dropout: _dropout,
    nn.Flatten: _flatten_module,
    nn.GELU: _gelu,
    nn.Hardsigmoid: _plain("hardsigmoid"),
    nn.Hardswish: _plain("hardswish"),
    nn.Identity: _plain(None),
    nn.LayerNorm: _layernorm,
    LayerNorm2d: _layernorm,
    nn.LeakyReLU: _leaky_relu,
    nn.Linear: _linear,
    nn.MaxPool2d: _max_pool,
    nn.ReLU: _plain("relu"),
    nn.ReLU6: _plain("relu6"),
    nn.SiLU: _plain("silu"),
    nn.Sigmoid: _plain("sigmoid"),
    nn.Tanh: _plain("tanh"),
}
_FUNCTIONS: dict[object, Callable[[Node], Step | None]] = {
    F.adaptive_avg_pool2d: _function_adaptive,
    F.avg_pool2d: _function_pooling("avgpool"),
    F.max_pool2d: _function_pooling("maxpool"),
    F.relu: _plain("relu"),
    operator.add: _operation("add"),
    operator.iadd: _operation("add"),
    operator.mul: _operation("multiply"),
    stochastic_depth: _stochastic_depth,
    torch.cat: _cat,
    torch.flatten: _flatten,
    channel_shuffle: _channel_shuffle,
    "chunk": _chunk,
    "flatten": _flatten,
    "mean": _mean,
}
