"""Reads torchvision's classifiers by tracing their modules, without weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import TypeGuard

import torch
import torchvision  # type: ignore[import-untyped]
from torch import nn
from torch.fx import GraphModule, Node, Tracer
from torchvision.models.shufflenetv2 import channel_shuffle  # type: ignore[import-untyped]

from alexc.compiler.layers.kind import Join, Kind, Shape, ShapeError
from alexc.compiler.layers.trained import Trained
from alexc.compiler.text.diagnostics import Diagnostic
from alexc.compiler.text.source import Source, Span
from alexc.printable import printable
from alexc.runtime.errors import UserError

from ..foreign.flattening import without_needless_flattening
from ..foreign.network import ForeignLayer, ForeignNetwork, ReadResult, make_kind
from .kinds import step_of
from .recipe import Preprocessing, recipe_of

PREFIX = "torchvision:"
SHARE_OF_FURTHER_HEADS = 0.3  # from GoogLeNet's paper; torchvision's networks do not have it

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
        hint = f"did you mean `{PREFIX}{near[0]}`?" if near else f"as in {PREFIX}resnet18"
        raise UserError(f"{PREFIX}{printable(name)}: torchvision has no such classifier; {hint}")
    module = _module(name)
    try:
        traced = GraphModule(module.train(), _LeafTracer().trace(module))
    except Exception as error:  # the model's code may do anything with values that have no numbers
        source = Source(f"{PREFIX}{name}", f"{type(module).__name__}\n")
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


class _Reader:
    """Reads a traced module node by node. Each node is a line of the text that diagnostics show."""

    def __init__(self, name: str, traced: GraphModule, preprocessing: Preprocessing, input_: Shape | None) -> None:
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
        self._preprocessing = preprocessing
        self._input = input_ or Shape((3, preprocessing.crop, preprocessing.crop))
        self._whole = Span(self._source, 0, 0)  # where messages about the whole network point
        if input_ is not None:  # the network itself is valid, so an error is about the user's shape
            option = Source("--input", str(input_))
            self._whole = Span(option, 0, len(option.text))
        self._findings: list[Diagnostic] = []
        self._layers: list[ForeignLayer] = []
        self._made: dict[Node, str | None] = {}  # nodes that are missing here could not be read, or are not tensors
        self._shapes: dict[str | None, Shape | None] = {None: self._input}  # None for a layer with an error
        self._names: set[str] = set()
        self._notes: tuple[str, ...] = ()
        self._unknown: set[str] = set()
        self._joined: dict[tuple[str | None, ...], str] = {}

    def read(self) -> ReadResult:
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
        """Add the layer of a node or report that it cannot be read. Nodes that depend on it are skipped."""
        before = len(self._findings)
        read = node.all_input_nodes
        step = step_of(node, self._modules, self._shapes[self._made[read[0]]]) if read else None
        if step is None:
            self._report_once(node)
        elif step.keyword is None:
            self._made[node] = self._made[read[0]]
        else:
            kind = make_kind(step.keyword, step.arguments, self._spans[node], self._findings)
            if kind is not None and len(self._findings) == before:
                self._made[node] = self._add(node, kind, [self._made[each] for each in step.reads or read])

    def _add(self, node: Node, kind: Kind, inputs: Sequence[str | None]) -> str | None:
        given = self._shapes[inputs[0]]
        if kind.keyword == "flatten" and given is not None and len(given.sizes) == 1:
            return inputs[0]
        name = str(node.target) if node.op == "call_module" else self._name_of_function(node, kind)
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
            share = 1.0 if head is heads[0] else SHARE_OF_FURTHER_HEADS
            kind = make_kind("softmax", {"share": share}, self._spans[head], self._findings)
            if kind is not None:
                self._append(f"{head.name} (softmax)", kind, [self._made[head]], head)
        if len(heads) > 1:
            self._notes = (
                f"The further heads train with a share of {SHARE_OF_FURTHER_HEADS} each, as in GoogLeNet's paper.",
            )

    def _report_once(self, node: Node) -> None:
        """Report a node without a counterpart once, at its first use: networks repeat it in each block."""
        what = _what(node, self._modules)
        if what not in self._unknown:
            self._unknown.add(what)
            self._report("E0902", f"`{what}` has no counterpart", node)

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


def _is_several(node: object) -> TypeGuard[Node]:
    """Whether a node collects several heads: GoogLeNetOutputs, InceptionOutputs."""
    return isinstance(node, Node) and node.op == "call_function" and str(_name(node.target)).endswith("Outputs")


def _name(target: object) -> str:
    return str(getattr(target, "__name__", target))


def _what(node: Node, modules: Mapping[str, nn.Module]) -> str:
    return type(modules[str(node.target)]).__name__ if node.op == "call_module" else _name(node.target)
