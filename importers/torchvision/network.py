"""torchvision's networks as foreign networks: their modules traced, without weights."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from itertools import takewhile
from typing import TypeGuard

import torch
import torch.nn.functional as F
import torchvision  # type: ignore[import-untyped]
from torch import nn
from torch.fx import GraphModule, Node, symbolic_trace

from alexc.compiler.layers.arguments import Arguments
from alexc.compiler.layers.kind import Kind, Shape
from alexc.compiler.layers.trained import Trained
from alexc.compiler.net.spec_text import step_text
from alexc.compiler.recipe.augmentations.mirror import Mirror
from alexc.compiler.recipe.augmentations.random_resized_crop import RandomResizedCrop
from alexc.compiler.recipe.steps import SGD, CenterCrop, CenterView, CrossEntropy, Normalize, Resize, StepRate
from alexc.compiler.text.diagnostics import Diagnostic
from alexc.compiler.text.source import Source, Span
from alexc.printable import printable
from alexc.runtime.errors import UserError

from ..flattening import without_needless_flattening
from ..network import ForeignLayer, ForeignNetwork, Read, RecipeLine, make_kind

PREFIX = "torchvision:"
SHARE_OF_FURTHER_HEADS = 0.3  # GoogLeNet's paper; torchvision's networks do not say it

_INITIAL_VALUES = "What weights start from is alexc's own: the traced modules do not say theirs."


def read_torchvision(name: str, input_: Shape | None) -> Read:
    """The network of this name.

    Args:
        name: as `torchvision.models.list_models` has it.
        input_: the shape of an image; None is what torchvision's own weights were trained on.

    Raises:
        UserError: torchvision has no such classifier.
    """
    known: list[str] = torchvision.models.list_models(module=torchvision.models)
    if name not in known:
        near = get_close_matches(name, known, n=1)
        hint = f"did you mean `{PREFIX}{near[0]}`?" if near else f"as in {PREFIX}resnet18"
        raise UserError(f"{PREFIX}{printable(name)}: torchvision has no such network of classes; {hint}")
    module = _module(name)
    try:
        traced = symbolic_trace(module.train())
    except Exception as error:  # whatever a model's code does when it is shown no numbers
        source = Source(f"{PREFIX}{name}", f"{type(module).__name__}\n")
        message = f"`{name}` cannot be traced: {str(error).splitlines()[0] if str(error) else type(error).__name__}"
        return Read(None, (Diagnostic("E0902", message, Span(source, 0, 0)),))
    shown = _Shown.to(name)
    return _Tracer(name, traced, shown, input_).read()


def _module(name: str) -> nn.Module:
    """The network, on the meta device where its constructor needs no numbers."""
    module: nn.Module
    try:
        with torch.device("meta"):
            module = torchvision.models.get_model(name, weights=None, **_without_drawing(name))
    except NotImplementedError:  # torch's answer to who asks a tensor without memory for a number
        module = torchvision.models.get_model(name, weights=None)
    return module


def _without_drawing(name: str) -> dict[str, bool]:
    """Arguments that spare drawing weights, which takes long in these networks."""
    return {"init_weights": False} if name in ("googlenet", "inception_v3") else {}


@dataclass(frozen=True)
class _Shown:
    """How images are shown to a network: the shorter side that they are scaled to, the square cut out, the colours."""

    resize: int
    crop: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    @classmethod
    def to(cls, name: str) -> _Shown:
        """As to the first of torchvision's own weights for this network."""
        given = next(iter(torchvision.models.get_model_weights(name))).transforms()
        (red, green, blue), (red_std, green_std, blue_std) = given.mean, given.std
        return cls(given.resize_size[0], given.crop_size[0], (red, green, blue), (red_std, green_std, blue_std))


def _recipe(name: str, shown: _Shown, side: int) -> tuple[RecipeLine, ...]:
    """How torchvision shows images, and what its training script does where nothing else is said."""
    stored = round(shown.resize * side / shown.crop)
    lr = 0.01 if name.startswith(("alexnet", "vgg")) else 0.1
    normalize = Normalize(mean=shown.mean, std=shown.std)
    steps: dict[str, tuple[Arguments, ...]] = {
        "prepare": (Resize(shorter=stored), CenterCrop(size=stored), normalize),
        "augment": (RandomResizedCrop(size=side), Mirror()),
        "test": (CenterView(size=side),),
        "loss": (CrossEntropy(),),
        "optimizer": (SGD(lr=lr, momentum=0.9, weight_decay=0.0001, form="torch"),),
        "schedule": (StepRate(every=30, divide=10.0),),
    }
    lines = [RecipeLine(word, " -> ".join(map(step_text, pipeline))) for word, pipeline in steps.items()]
    return (*lines, RecipeLine("batch", "256"), RecipeLine("epochs", "90"))


class _Tracer:
    """Reads a traced module node by node. Each is a line of the text that findings show."""

    def __init__(self, name: str, traced: GraphModule, shown: _Shown, input_: Shape | None) -> None:
        self._name = name
        self._modules = dict(traced.named_modules())
        self._nodes = list(traced.graph.nodes)
        texts = [self._text(node) for node in self._nodes]
        self._source = Source(f"{PREFIX}{name}", "".join(f"{text}\n" for text in texts))
        self._spans: dict[Node, Span] = {}
        place = 0
        for node, text in zip(self._nodes, texts, strict=True):
            self._spans[node] = Span(self._source, place, place + len(text))
            place += len(text) + 1
        self._shown = shown
        self._input = input_ or Shape((3, shown.crop, shown.crop))
        self._whole = Span(self._source, 0, 0)  # where messages about the whole network point
        if input_ is not None:  # the network by itself is sound: what does not fit is what the user asks for
            option = Source("--input", str(input_))
            self._whole = Span(option, 0, len(option.text))
        self._findings: list[Diagnostic] = []
        self._layers: list[ForeignLayer] = []
        self._made: dict[Node, str | None] = {}  # a node that is not here could not be read, or is no tensor
        self._vectors: set[str | None] = set()
        self._names: set[str] = set()
        self._notes: tuple[str, ...] = ()
        self._unknown: set[str] = set()
        self._joined: dict[tuple[str | None, ...], str] = {}

    def read(self) -> Read:
        for node in self._nodes:
            if node.op == "placeholder":
                self._made[node] = None
            elif node.op == "output":
                self._end(node)
            elif not _is_several(node) and all(each in self._made for each in node.all_input_nodes):
                self._read(node)
        network = ForeignNetwork(
            self._name,
            "torchvision",
            self._input,
            tuple(without_needless_flattening(self._layers)),
            self._whole,
            recipe=_recipe(self._name, self._shown, self._input.sizes[2]),
            notes=(_INITIAL_VALUES, *self._notes),
            recipe_notes=(
                "Images are shown as there; the rest is what torchvision's training script takes by default.",
            ),
        )
        return Read(network, tuple(self._findings))

    def _text(self, node: Node) -> str:
        """A line of the listing: `layer1_0_conv1 = Conv2d(64, 64, …)(maxpool)`."""
        inputs = ", ".join(each.name for each in node.all_input_nodes)
        if node.op == "call_module":
            what = " ".join(repr(self._modules[str(node.target)]).split())
        else:
            what = getattr(node.target, "__name__", str(node.target))
        return f"{node.name} = {what}({inputs})"

    def _read(self, node: Node) -> None:
        """Note what a node makes; what cannot be read is reported, and what depends on it passed over."""
        before = len(self._findings)
        read = node.all_input_nodes
        step = self._step(node) if read else None
        if step is None:
            self._report_once(node)
        elif step.keyword is None:
            self._made[node] = self._made[read[0]]
        else:
            kind = make_kind(step.keyword, step.arguments, self._spans[node], self._findings)
            if kind is not None and len(self._findings) == before:
                self._made[node] = self._add(node, kind, [self._made[each] for each in step.reads or read])

    def _step(self, node: Node) -> _Step | None:
        """What a node is here; None where it has no counterpart."""
        if node.op == "call_module":
            module = self._modules[str(node.target)]
            if isinstance(module, nn.AdaptiveAvgPool2d):
                return _adaptive_pool(module.output_size, node)
            translate = _MODULES.get(type(module))
            return translate(module) if translate else None
        translate_function = _FUNCTIONS.get(node.target)
        return translate_function(node) if translate_function else None

    def _add(self, node: Node, kind: Kind, inputs: Sequence[str | None]) -> str | None:
        if kind.keyword == "flatten" and inputs[0] in self._vectors:
            return inputs[0]
        if kind.keyword == "concat":
            self._joined[tuple(inputs)] = node.name
            inputs = self._shorter(inputs)
        name = str(node.target) if node.op == "call_module" else node.name
        if kind.keyword == "add":
            name = self._block(inputs) or name
        if name in self._names:
            if isinstance(kind, Trained):
                self._report("E0903", "weights that are used twice have no counterpart", node)
            name = node.name if node.name not in self._names else f"{node.name} again"
        self._append(name, kind, inputs, node)
        return name

    def _block(self, inputs: Sequence[str | None]) -> str | None:
        """The module that all layers of a sum lie in, such as `layer2.0`; None where there is none of its own."""
        paths = [(name or "").split(".")[:-1] for name in inputs]
        same = takewhile(lambda parts: len(set(parts)) == 1, zip(*paths, strict=False))
        name = ".".join(parts[0] for parts in same)
        return name if name and name not in self._names else None

    def _shorter(self, inputs: Sequence[str | None]) -> Sequence[str | None]:
        """What is joined, with what an earlier layer joined of it named by that layer."""
        for count in range(len(inputs) - 1, 1, -1):
            if tuple(inputs[:count]) in self._joined:
                return [self._joined[tuple(inputs[:count])], *inputs[count:]]
        return inputs

    def _append(self, name: str, kind: Kind, inputs: Sequence[str | None], node: Node) -> None:
        self._names.add(name)
        self._layers.append(ForeignLayer(name, kind, tuple(inputs), self._spans[node]))
        if kind.keyword in ("linear", "flatten", "global_avgpool") or inputs[0] in self._vectors:
            self._vectors.add(name)

    def _end(self, output: Node) -> None:
        """The softmax of every head, the main one last. torchvision's networks end before it."""
        ends = [each for each in output.args[0:1] for each in (each.args if _is_several(each) else [each])]
        heads = [each for each in ends if isinstance(each, Node) and each in self._made]
        for head in reversed(heads):
            share = 1.0 if head is heads[0] else SHARE_OF_FURTHER_HEADS
            kind = make_kind("softmax", {"share": share}, self._spans[head], self._findings)
            if kind is not None:
                self._append(f"{head.name} (softmax)", kind, [self._made[head]], head)
        if len(heads) > 1:
            self._notes = (
                f"The further heads train with a share of {SHARE_OF_FURTHER_HEADS} each, as GoogLeNet's paper has it.",
            )

    def _report_once(self, node: Node) -> None:
        """What has no counterpart, where it comes first: such networks have it in each of their blocks."""
        what = _what(node, self._modules)
        if what not in self._unknown:
            self._unknown.add(what)
            self._report("E0902", f"`{what}` has no counterpart", node)

    def _report(self, code: str, headline: str, node: Node) -> None:
        self._findings.append(Diagnostic(code, headline, self._spans[node]))


@dataclass(frozen=True)
class _Step:
    """A kind with its arguments; without a keyword nothing happens. `reads` are the nodes of a join, in order."""

    keyword: str | None
    arguments: Mapping[str, object] = field(default_factory=dict)
    reads: tuple[Node, ...] = ()


_NOTHING = _Step(None)


def _is_several(node: object) -> TypeGuard[Node]:
    """Whether a node holds several heads: GoogLeNetOutputs, InceptionOutputs."""
    return isinstance(node, Node) and node.op == "call_function" and str(_name(node.target)).endswith("Outputs")


def _name(target: object) -> str:
    return str(getattr(target, "__name__", target))


def _what(node: Node, modules: Mapping[str, nn.Module]) -> str:
    return type(modules[str(node.target)]).__name__ if node.op == "call_module" else _name(node.target)


def _pair(value: object) -> tuple[int, int]:
    if isinstance(value, int):
        return value, value
    assert isinstance(value, Sequence)
    return (value[0], value[-1])


def _conv(module: nn.Conv2d) -> _Step | None:
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
    return _Step("conv", arguments if module.bias is not None else {**arguments, "bias": None})


def _linear(module: nn.Linear) -> _Step:
    units = {"units": module.out_features}
    return _Step("linear", units if module.bias is not None else {**units, "bias": None})


def _batchnorm(module: nn.BatchNorm2d) -> _Step | None:
    if not module.affine or not module.track_running_stats or module.momentum is None:
        return None
    return _Step("batchnorm", {"eps": module.eps, "momentum": module.momentum})


def _dropout(module: nn.Dropout) -> _Step:
    return _Step("dropout", {"p": module.p, "scale": "train"}) if module.p else _NOTHING


def _pooling(keyword: str, window: object, stride: object, pad: object, ceil: bool, **more: object) -> _Step:
    size = _pair(window)
    apart = size if stride in (None, []) else _pair(stride)
    arguments = {
        "window": size,
        "stride": None if apart == size else apart,
        "pad": _pair(pad),
        "round": "ceil" if ceil else "floor",
        **more,
    }
    return _Step(keyword, arguments)


def _max_pool(module: nn.MaxPool2d) -> _Step | None:
    if _pair(module.dilation) != (1, 1) or module.return_indices:
        return None
    return _pooling("maxpool", module.kernel_size, module.stride, module.padding, module.ceil_mode)


def _avg_pool(module: nn.AvgPool2d) -> _Step | None:
    if module.divisor_override is not None:
        return None
    count = "yes" if module.count_include_pad else "no"
    return _pooling("avgpool", module.kernel_size, module.stride, module.padding, module.ceil_mode, count_pad=count)


def _adaptive_pool(size: object, node: Node) -> _Step | None:
    """The mean of whole maps is a vector where all that reads it makes it one; maps of one value otherwise."""
    if not isinstance(size, int | tuple) or None in _pair(size):
        return None
    if _pair(size) == (1, 1) and node.users and all(_flattens(user) for user in node.users):
        return _Step("global_avgpool")
    return _Step("adaptive_avgpool", {"size": _pair(size)})


def _flattens(node: Node) -> bool:
    return node.target in (torch.flatten, "flatten")


def _flatten_module(module: nn.Flatten) -> _Step | None:
    return _Step("flatten") if (module.start_dim, module.end_dim) == (1, -1) else None


def _flatten(node: Node) -> _Step | None:
    from_channels = (node.args[1:], dict(node.kwargs)) in (((1,), {}), ((), {"start_dim": 1}))
    return _Step("flatten") if from_channels else None


def _plain(keyword: str | None) -> Callable[..., _Step]:
    """A module or a function without arguments that matter."""
    return lambda *_: _Step(keyword)


def _gelu(module: nn.GELU) -> _Step | None:
    return _Step("gelu") if module.approximate == "none" else None


def _leaky_relu(module: nn.LeakyReLU) -> _Step:
    return _Step("leaky_relu", {"slope": module.negative_slope})


def _sum(node: Node) -> _Step | None:
    reads = tuple(each for each in node.args if isinstance(each, Node))
    return _Step("add", reads=reads) if len(reads) == 2 and not node.kwargs else None


def _cat(node: Node) -> _Step | None:
    reads = node.args[0]
    dim = node.args[1] if len(node.args) > 1 else node.kwargs.get("dim", 0)
    if dim != 1 or not isinstance(reads, list | tuple):
        return None
    nodes = tuple(each for each in reads if isinstance(each, Node))
    return _Step("concat", reads=nodes) if len(nodes) > 1 else _NOTHING


def _mean(node: Node) -> _Step | None:
    over = node.args[1] if len(node.args) > 1 else None
    whole = list(over) in ([2, 3], [-2, -1]) if isinstance(over, list | tuple) else False
    return _Step("global_avgpool") if whole and not node.kwargs else None


def _function_pooling(keyword: str) -> Callable[[Node], _Step | None]:
    """Of `F.max_pool2d` and `F.avg_pool2d`, whose arguments are those of the modules."""

    def translate(node: Node) -> _Step | None:
        given = dict(zip(("kernel_size", "stride", "padding"), node.args[1:], strict=False)) | dict(node.kwargs)
        window, stride, pad = given.pop("kernel_size"), given.pop("stride", None), given.pop("padding", 0)
        ceil = bool(given.pop("ceil_mode", False))
        if given.pop("dilation", 1) not in (1, (1, 1)) or given.pop("return_indices", False) or given:
            return None
        return _pooling(keyword, window, stride, pad, ceil)

    return translate


def _function_adaptive(node: Node) -> _Step | None:
    return _adaptive_pool(node.args[1] if len(node.args) > 1 else node.kwargs.get("output_size"), node)


_MODULES: dict[type[nn.Module], Callable[..., _Step | None]] = {
    nn.AvgPool2d: _avg_pool,
    nn.BatchNorm2d: _batchnorm,
    nn.Conv2d: _conv,
    nn.Dropout: _dropout,
    nn.Flatten: _flatten_module,
    nn.GELU: _gelu,
    nn.Identity: _plain(None),
    nn.LeakyReLU: _leaky_relu,
    nn.Linear: _linear,
    nn.MaxPool2d: _max_pool,
    nn.ReLU: _plain("relu"),
    nn.ReLU6: _plain("relu6"),
    nn.SiLU: _plain("silu"),
    nn.Sigmoid: _plain("sigmoid"),
    nn.Tanh: _plain("tanh"),
}
_FUNCTIONS: dict[object, Callable[[Node], _Step | None]] = {
    F.adaptive_avg_pool2d: _function_adaptive,
    F.avg_pool2d: _function_pooling("avgpool"),
    F.max_pool2d: _function_pooling("maxpool"),
    F.relu: _plain("relu"),
    operator.add: _sum,
    operator.iadd: _sum,
    torch.cat: _cat,
    torch.flatten: _flatten,
    "flatten": _flatten,
    "mean": _mean,
}
