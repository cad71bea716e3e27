"""Reads Caffe's files: a net, with or without its solver and the same net for deployment."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath

from alexc.compiler.layers.convolving import Convolving
from alexc.compiler.layers.linear import Linear
from alexc.compiler.layers.trained import Trained
from alexc.compiler.text.diagnostics import Diagnostic
from alexc.compiler.text.source import Source, Span

from ..foreign.network import Assumptions, ForeignLayer, ForeignNetwork, ReadResult
from .fields import Fields
from .net import CaffeNet, read_net
from .prototxt import parse
from .recipe import RUNNING, read_recipe

_ENDINGS = (".prototxt", ".prototext", ".pbtxt")
_CONTENT = re.compile(
    r"^\s*(?:layers?\s*\{|(?:net|train_net|base_lr|lr_policy|max_iter)\s*:|input_(?:dim|shape)\b)", re.MULTILINE
)
_OF_SOLVERS = ("base_lr", "lr_policy", "max_iter", "net", "train_net")
_BLUE_FIRST = "Caffe's channels are in the order blue, green, red; alexc's are red, green, blue."
_WITHOUT_INITIAL_VALUES = "The file is for deployment and has no initial values."


def recognises(source: Source) -> bool:
    """Whether a file is a net or a solver of Caffe."""
    return PurePath(source.name).suffix.lower() in _ENDINGS or bool(_CONTENT.search(source.text))


@dataclass(frozen=True)
class _File:
    source: Source
    fields: Fields

    @property
    def is_net(self) -> bool:
        return self.fields.has("layer") or self.fields.has("layers")

    @property
    def is_solver(self) -> bool:
        return not self.is_net and any(self.fields.has(name) for name in _OF_SOLVERS)


def read(sources: Sequence[Source], assumed: Assumptions) -> ReadResult:
    """Read one network: the net for training or the one for deployment, and its solver if there is one.

    If both nets are given, the one for deployment only supplies the size of the images.
    """
    findings: list[Diagnostic] = []
    files = []
    for source in sources:
        message, problems = parse(source, RUNNING)
        findings += problems
        files.append(_File(source, Fields(message, findings)))
    if findings:
        return ReadResult(None, tuple(findings))
    _check_together(files, findings)
    if findings:
        return ReadResult(None, tuple(findings))
    net = _net_of([file for file in files if file.is_net], assumed, findings)
    solvers = [file for file in files if file.is_solver]
    if net.input is None:
        return ReadResult(None, tuple(findings))
    notes = [_BLUE_FIRST] if net.input.channels == 3 else []
    recipe = None
    for file in solvers:
        recipe = read_recipe(file.fields, net.images, net.input, assumed.images, findings)
    if recipe is None and net.images is not None:
        headline = "without a solver there is no recipe; the spec describes the images in a comment"
        findings.append(Diagnostic("W0901", headline, net.images.span, help="give the solver's file too"))
        notes.append(f"Images in Caffe: {net.images.in_words()}.")
    network = ForeignNetwork(
        net.name or PurePath(sources[0].name).stem,
        "Caffe",
        net.input,
        tuple(net.layers),
        net.span,
        recipe=recipe.lines if recipe else (),
        notes=(*notes, *net.notes, *([] if net.has_initial_values else [_WITHOUT_INITIAL_VALUES])),
        recipe_notes=recipe.notes if recipe else (),
    )
    return ReadResult(network, tuple(findings))


def _check_together(files: Sequence[_File], findings: list[Diagnostic]) -> None:
    """Check that there is at least one net, and at most one net for training, one for deployment and one solver."""
    for file in files:
        if not file.is_net and not file.is_solver:
            headline = "the file has neither layers nor the fields of a solver"
            findings.append(Diagnostic("E0906", headline, Span(file.source, 0, 0)))
    for alike, what in (
        ([file for file in files if file.is_net and _trains(file)], "nets for training"),
        ([file for file in files if file.is_net and not _trains(file)], "nets for deployment"),
        ([file for file in files if file.is_solver], "solvers"),
    ):
        if len(alike) > 1:
            headline = f"there are {len(alike)} {what}, but a network has one"
            findings.append(Diagnostic("E0906", headline, Span(alike[1].source, 0, 0)))
    if not findings and not any(file.is_net for file in files):
        headline = "a solver by itself has no network"
        findings.append(Diagnostic("E0906", headline, Span(files[0].source, 0, 0), help="give the net's file too"))


def _trains(file: _File) -> bool:
    """Whether a net has a loss."""
    layers = [*file.fields.messages("layer"), *file.fields.messages("layers")]
    return any("loss" in layer.text("type").lower() for layer in layers)


def _net_of(files: Sequence[_File], assumed: Assumptions, findings: list[Diagnostic]) -> CaffeNet:
    ordered = sorted(files, key=_trains)
    if len(ordered) == 1:
        return read_net(ordered[0].fields, assumed.input, findings)
    for_use = read_net(ordered[0].fields, assumed.input, [])
    net = read_net(ordered[1].fields, for_use.input, findings)
    known = {layer.name: _sizes(layer) for layer in net.layers}
    for layer in for_use.layers:
        if isinstance(layer.kind, Convolving | Linear) and known.get(layer.name) != _sizes(layer):
            headline = f"`{layer.name}` differs from the layer in the net for training"
            findings.append(Diagnostic("E0906", headline, layer.span, help="import one of the two"))
    return net


def _sizes(layer: ForeignLayer) -> dict[str, object]:
    """The arguments of a layer with weights, without its initial values and multipliers."""
    training = {"weight", "bias", *Trained.model_fields}
    return {name: value for name, value in layer.kind.model_dump().items() if name not in training}
