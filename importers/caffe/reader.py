"""Caffe's files to a foreign network: a net and, beside it, a solver and the net for use."""

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
from .recipe import read_recipe

_ENDINGS = (".prototxt", ".prototext", ".pbtxt")
_CONTENT = re.compile(
    r"^\s*(?:layers?\s*\{|(?:net|train_net|base_lr|lr_policy|max_iter)\s*:|input_(?:dim|shape)\b)", re.MULTILINE
)
_OF_SOLVERS = ("base_lr", "lr_policy", "max_iter", "net", "train_net")
_BLUE_FIRST = "Caffe shows images with blue first, then green and red; alexc with red first."
_WITHOUT_INITIAL_VALUES = "The file does not say what weights start from: it is one for use."


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
    """Read one network: the net that trains, or else the one for use, and its solver if there is one.

    With a net that trains and one for use, the latter only says how large images are.
    """
    findings: list[Diagnostic] = []
    files = []
    for source in sources:
        message, problems = parse(source)
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
        headline = "without a solver there is no recipe: what the net says of its images is a comment"
        findings.append(Diagnostic("W0901", headline, net.images.span, help="name the solver's file, too"))
        notes.append(f"Images there are {net.images.in_words()}.")
    network = ForeignNetwork(
        net.name or PurePath(sources[0].name).stem,
        "Caffe",
        net.input,
        tuple(net.layers),
        net.span,
        recipe=recipe.lines if recipe else (),
        notes=(*notes, *([] if net.has_initial_values else [_WITHOUT_INITIAL_VALUES])),
        recipe_notes=recipe.notes if recipe else (),
    )
    return ReadResult(network, tuple(findings))


def _check_together(files: Sequence[_File], findings: list[Diagnostic]) -> None:
    """One net that trains at most, one for use at most, one solver at most, and at least one net."""
    for file in files:
        if not file.is_net and not file.is_solver:
            headline = "the file has neither layers nor what a solver says"
            findings.append(Diagnostic("E0906", headline, Span(file.source, 0, 0)))
    for alike, what in (
        ([file for file in files if file.is_net and _trains(file)], "nets that train"),
        ([file for file in files if file.is_net and not _trains(file)], "nets for use"),
        ([file for file in files if file.is_solver], "solvers"),
    ):
        if len(alike) > 1:
            headline = f"these are {len(alike)} {what}, where one network has one"
            findings.append(Diagnostic("E0906", headline, Span(alike[1].source, 0, 0)))
    if not findings and not any(file.is_net for file in files):
        headline = "a solver by itself has no network"
        findings.append(Diagnostic("E0906", headline, Span(files[0].source, 0, 0), help="name the net's file, too"))


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
            headline = f"`{layer.name}` is another layer here than in the net that trains"
            findings.append(Diagnostic("E0906", headline, layer.span, help="import one of the two"))
    return net


def _sizes(layer: ForeignLayer) -> dict[str, object]:
    """What a layer with weights computes, without what it starts from and how it trains."""
    training = {"weight", "bias", *Trained.model_fields}
    return {name: value for name, value in layer.kind.model_dump().items() if name not in training}
