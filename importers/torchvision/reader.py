"""Reads torchvision's classifiers by tracing their modules, without weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import TypeGuard

import torch
import torchvision  # type: ignore[import-untyped]
from torch import nn
from torch.fx import GraphModule, Node, Tracer
from torchvision.models.convnext import LayerNorm2d  # type: ignore[import-untyped]
from torchvision.models.shufflenetv2 import channel_shuffle  # type: ignore[import-untyped]

from alexc.compiler.layers.kind import Join, Kind, Shape, ShapeError
from alexc.compiler.layers.trained import Trained
from alexc.compiler.text.diagnostics import Diagnostic, list_in_words
from alexc.compiler.text.source import Source, Span
from alexc.printable import printable
from alexc.runtime.errors import UserError

from ..foreign.flattening import without_needless_flattening
from ..foreign.network import ForeignLayer, ForeignNetwork, ReadResult, make_kind
from . import TORCHVISION
from .kinds import Given, is_parameter, is_permutation, step_of
from .recipe import Preprocessing, recipe_of

_SHARE_OF_FURTHER_HEADS = 0.3  # from GoogLeNet's paper; torchvision's networks do not have it

_INITIAL_VALUES = "The initial values of the weights are alexc's: the traced modules do not have any."


def read_torchvision(name: str, input_: Shape | None) -> ReadResult:
    """Read the network of this name.

    Args:
        name: as `torchvision.models.list_models` has it.
        input_: the shape of an image; None for the shape that torchvision's own weights were trained on.

    Raises:
        UserError: torchvision has no such classifier.
    """
    known: list[str] = torchvision.models.list_models(module=torchvision.models)
    if name not in known:
        near = get_close_matches(name, known, n=1)
        hint = f"did you mean `{TORCHVISION}{near[0]}`?" if near else f"as in {TORCHVISION}resnet18"
        raise UserError(f"{TORCHVISION}{printable(name)}: torchvision has no such classifier; {hint}")
    module = _module(name)
    try:
        traced = GraphModule(module.train(), _LeafTracer().trace(module))
    except Exception as error:  # the model's code may do anything with values that have no numbers
        source = Source(f"{TORCHVISION}{name}", f"{type(module).__name__}\n")
        message = f"`{name}` cannot be traced: {str(error).splitlines()[0] if str(error) else type(error).__name__}"
        return ReadResult(None, (Diagnostic("E0902", message, Span(source, 0, 0)),))
    preprocessing = Preprocessing.of(name, module)
    return _Reader(name, traced, preprocessing, input_).read()


def _module(name: str) -> nn.Module:
    """The network, on the meta device unless its constructor needs numbers."""
    module: nn.Module
    try:
        with torch.device("meta"):
            module = torchvision.models.get_model(name, weights=None, **_without_drawing(name))
    except NotImplementedError:  # the constructor asks a meta tensor for a number
        module = torchvision.models.get_model(name, weights=None)
    return module


def _without_drawing(name: str) -> dict[str, bool]:
    """Arguments that skip the initialisation of weights, which is slow in these networks."""
    return {"init_weights": False} if name in ("googlenet", "inception_v3") else {}


class _LeafTracer(Tracer):
    """Traces a module down to the modules and functions that `kinds` translates."""

    def __init__(self) -> None:
        super().__init__(autowrap_functions=(channel_shuffle,))

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Modules of torch, and the layer norm of ConvNeXt."""
        return isinstance(m, LayerNorm2d) or super().is_leaf_module(m, module_qualified_name)


class _Reader:
    """Reads a traced module node by node. Each node is a line of the text that diagnostics show."""

    def __init__(self, name: str, traced: GraphModule, preprocessing: Preprocessing, input_: Shape | None) -> None:
        self._name = name
        self._modules = dict(traced.named_modules())
        self._nodes = list(traced.graph.nodes)
        texts = [self._text(node) for node in self._nodes]
        self._source = Source(f"{TORCHVISION}{name}", "".join(f"{text}\n" for text in texts))
        self._spans: dict[Node, Span] = {}
        place = 0
        for node, text in zip(self._nodes, texts, strict=True):
            self._spans[node] = Span(self._source, place, place + len(text))
            place += len(text) + 1
        self._preprocessing = preprocessing
        self._input = input_ or Shape((3, preprocessing.crop, preprocessing.crop))
        self._whole = Span(self._source, 0, 0)  # where messages about the whole network point
        if input_ is not None:  # the network itself is valid, so an error is about the user's shape
            option = Source("--input", str(input_))
            self._whole = Span(option, 0, len(option.text))
        self._findings: list[Diagnostic] = []
        self._layers: list[ForeignLayer] = []
        self._made: dict[Node, str | None] = {}  # lacks refused nodes, and those that read them
        self._shapes: dict[str | None, Shape | None] = {None: self._input}  # None for a layer with an error
        self._names: set[str] = set()
        self._notes: tuple[str, ...] = ()
        self._channels_last: set[Node] = set()
        self._numbers: set[Node] = set()
        self._refused: dict[str, list[Node]] = {}
        self._joined: dict[tuple[str | None, ...], str] = {}

    def read(self) -> ReadResult:
        for node in self._nodes:
            if node.op == "placeholder":
                self._made[node] = None
            elif node.op == "output":
                self._end(node)
            elif self._is_number(node):
                self._numbers.add(node)
            elif not is_parameter(node) and not _is_several(node):
                self._read(node)
        self._report_refused()
        network = ForeignNetwork(
            self._name,
            "torchvision",
            self._input,
            tuple(without_needless_flattening(self._layers)),
            self._whole,
            recipe=recipe_of(self._name, self._preprocessing, self._input.sizes[2]),
            notes=(_INITIAL_VALUES, *self._notes),
            recipe_notes=(
                "The preprocessing is that of torchvision's weights; the rest are the defaults of its training script.",
            ),
        )
        return ReadResult(network, tuple(self._findings))

    def _text(self, node: Node) -> str:
        """The line of a node: `layer1_0_conv1 = Conv2d(64, 64, …)(maxpool)`."""
        inputs = ", ".join(each.name for each in node.all_input_nodes)
        if node.op == "call_module":
            what = " ".join(repr(self._modules[str(node.target)]).split())
        else:
            what = getattr(node.target, "__name__", str(node.target))
        return f"{node.name} = {what}({inputs})"

    def _read(self, node: Node) -> None:
        """Add the layer of a node, or refuse it. A node that reads a refused one is not added, but can be refused."""
        before = len(self._findings)
        read = _reads(node)
        channels_last = not self._channels_last.isdisjoint(read)
        if channels_last != is_permutation(node):
            self._channels_last.add(node)
        mixed = channels_last and not self._channels_last.issuperset(read)
        step = step_of(node, self._modules, Given(self._shape_of(read), channels_last))
        if step is None or not read or mixed or not self._numbers.isdisjoint(read):
            self._refused.setdefault(_what(node, self._modules), []).append(node)
        elif not all(each in self._made for each in read):
            pass
        elif step.keyword is None:
            self._made[node] = self._made[read[0]]
        else:
            kind = make_kind(step.keyword, step.arguments, self._spans[node], self._findings)
            if kind is not None and len(self._findings) == before:
                self._made[node] = self._add(node, kind, [self._made[each] for each in step.reads or read], step.name)

    def _is_number(self, node: Node) -> bool:
        """Whether a node computes with the sizes of a tensor, not with its values."""
        inputs = node.all_input_nodes
        return node.target in (getattr, "dim", "size") or (bool(inputs) and self._numbers.issuperset(inputs))

    def _shape_of(self, read: Sequence[Node]) -> Shape | None:
        """The shape of the first of the inputs, if it is known."""
        return self._shapes[self._made[read[0]]] if read and read[0] in self._made else None

    def _add(self, node: Node, kind: Kind, inputs: Sequence[str | None], name: str) -> str | None:
        given = self._shapes[inputs[0]]
        if kind.keyword == "flatten" and given is not None and len(given.sizes) == 1:
            return inputs[0]
        name = name or (str(node.target) if node.op == "call_module" else self._name_of_function(node, kind))
        if kind.keyword == "concat":
            joined, inputs = tuple(inputs), self._shorter(inputs)
            self._joined[joined] = name
        if name in self._names:
            if isinstance(kind, Trained):
                self._report("E0903", "weights that are used twice have no counterpart", node)
            name = node.name if node.name not in self._names else f"{node.name} again"
        self._append(name, kind, inputs, node)
        return name

    def _name_of_function(self, node: Node, kind: Kind) -> str:
        """The module that calls it, such as `layer2.0` for the sum of a block; other kinds add their keyword."""
        module = next(reversed(node.meta.get("nn_module_stack", {"": ()})))
        name = module if kind.keyword == "add" else f"{module}.{kind.keyword}"
        again = 2
        while module and name in self._names:
            name, again = f"{module}.{kind.keyword}{again}", again + 1
        return name if module else node.name

    def _shorter(self, inputs: Sequence[str | None]) -> Sequence[str | None]:
        """The inputs of a join, with the longest beginning that an earlier join has replaced by that join."""
        for count in range(len(inputs) - 1, 1, -1):
            if tuple(inputs[:count]) in self._joined:
                return [self._joined[tuple(inputs[:count])], *inputs[count:]]
        return inputs

    def _append(self, name: str, kind: Kind, inputs: Sequence[str | None], node: Node) -> None:
        self._names.add(name)
        self._layers.append(ForeignLayer(name, kind, tuple(inputs), self._spans[node]))
        self._shapes[name] = _output(kind, [self._shapes[each] for each in inputs])

    def _end(self, output: Node) -> None:
        """Add the softmax of every head, the main one last. torchvision's networks do not have it."""
        ends = [each for each in output.args[0:1] for each in (each.args if _is_several(each) else [each])]
        heads = [each for each in ends if isinstance(each, Node) and each in self._made]
        for head in reversed(heads):
            share = 1.0 if head is heads[0] else _SHARE_OF_FURTHER_HEADS
            kind = make_kind("softmax", {"share": share}, self._spans[head], self._findings)
            if kind is not None:
                self._append(f"{head.name} (softmax)", kind, [self._made[head]], head)
        if len(heads) > 1:
            self._notes = (
                f"The further heads train with a share of {_SHARE_OF_FURTHER_HEADS} each, as in GoogLeNet's paper.",
            )

    def _report_refused(self) -> None:
        """Report what has no counterpart, each at its first use, with the number of uses."""
        for what, nodes in self._refused.items():
            uses = f"the network has {len(nodes)} of them" if len(nodes) > 1 else ""
            headline = f"`{what}` has no counterpart"
            self._findings.append(Diagnostic("E0902", headline, self._spans[nodes[0]], uses))

    def _report(self, code: str, headline: str, node: Node) -> None:
        self._findings.append(Diagnostic(code, headline, self._spans[node]))


def _output(kind: Kind, given: Sequence[Shape | None]) -> Shape | None:
    """The output shape of a layer; None if that of an input is not known, or does not fit."""
    known = [shape for shape in given if shape is not None]
    if len(known) < len(given):
        return None
    try:
        return kind.join(known, 1) if isinstance(kind, Join) else kind.output(known[0], 1)
    except ShapeError:  # reported where the spec is checked
        return None


def _reads(node: Node) -> list[Node]:
    """The inputs of a node that are not parameters."""
    return [each for each in node.all_input_nodes if not is_parameter(each)]


def _is_several(node: object) -> TypeGuard[Node]:
    """Whether a node collects several heads: GoogLeNetOutputs, InceptionOutputs."""
    return isinstance(node, Node) and node.op == "call_function" and str(_name(node.target)).endswith("Outputs")


def _name(target: object) -> str:
    return str(getattr(target, "__name__", target))


def _what(node: Node, modules: Mapping[str, nn.Module]) -> str:
    """A module by its class, a function by its name and the parameters that it reads."""
    if node.op == "call_module":
        return type(modules[str(node.target)]).__name__
    parameters = [str(each.target) for each in node.all_input_nodes if is_parameter(each)]
    names = [name.rpartition(".")[2] for name in parameters if not name.startswith("_tensor_constant")]
    named = [name for name in names if name not in ("weight", "bias")]
    return f"{_name(node.target)}{f' of {list_in_words(named)}' if named else ''}"
