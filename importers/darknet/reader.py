"""Reads darknet's cfg files (Redmon 2013)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pydantic import ValidationError

from alexc.compiler.text.diagnostics import Diagnostic
from alexc.compiler.text.source import Source, Span

from ..foreign.names import name_of_file
from ..foreign.network import Assumptions, ForeignNetwork, ReadResult
from ..foreign.options import Options, ReadError
from ..foreign.sections import Section, sections_of
from .network import NetworkBuilder, type_of
from .recipe import RecipeReader

PROGRAM = "darknet"
_NET = ("net", "network")


def recognises(source: Source) -> bool:
    """Whether a file has a section `[net]` or `[network]`."""
    return bool(re.search(r"^\s*\[net(work)?\]\s*$", source.text, re.MULTILINE))


def read(sources: Sequence[Source], assumed: Assumptions) -> ReadResult:
    """Read the network of one cfg file."""
    findings: list[Diagnostic] = []
    if len(sources) > 1:
        message = f"a network of darknet is one file; these are {len(sources)}"
        return ReadResult(None, (Diagnostic("E0906", message, Span(sources[1], 0, 0)),))
    sections = sections_of(sources[0], "darknet", findings)
    network = None
    if sections and sections[0].name not in _NET:
        message = "the first section must be `[net]`"
        findings.append(Diagnostic("E0901", message, sections[0].span))
    elif sections:
        try:
            network = _network(sources[0], sections, assumed, findings)
        except ReadError as error:
            findings.append(error.diagnostic)
    return ReadResult(network, tuple(findings))


def _network(
    source: Source, sections: Sequence[Section], assumed: Assumptions, findings: list[Diagnostic]
) -> ForeignNetwork:
    """The network.

    Raises:
        ReadError: `[net]` or `[crop]` has an invalid value.
    """
    net, layers = Options(sections[0]), sections[1:]
    crop = Options(layers[0]) if layers and type_of(layers[0]) == "crop" else None
    reader = RecipeReader(net, crop, assumed.images, findings)
    image = assumed.input or reader.image()
    builder = NetworkBuilder(image, reader.decays, findings)
    loss = ""
    for place, section in enumerate(layers):
        if place == 0 and crop is not None:
            builder.skip()
        elif type_of(section) == "cost":
            loss = _loss(section, builder, findings)
            builder.skip()
        else:
            builder.add_section(section)
    try:
        lines = reader.lines(image)
    except ValidationError as error:
        field = error.errors()[0]["loc"][0]
        message = f"the recipe would have an invalid value: its `{field}`"
        raise ReadError(Diagnostic("E0904", message, sections[0].span)) from None
    if loss:
        lines = ()
    net.report_unread(PROGRAM, findings)
    if crop is not None:
        crop.report_unread(PROGRAM, findings)
    return ForeignNetwork(
        name=name_of_file(source.name),
        program=PROGRAM,
        input=image,
        layers=tuple(builder.layers),
        span=sections[0].span,
        recipe=lines,
        notes=(*builder.notes, *([loss] if loss else [])),
        recipe_notes=tuple(reader.notes),
    )


def _loss(section: Section, builder: NetworkBuilder, findings: list[Diagnostic]) -> str:
    """A comment about a loss that a recipe cannot have; "" for a cost after a softmax.

    darknet's softmax passes the gradient of the cost through unchanged, which is training with the cross-entropy.
    """
    options = Options(section)
    try:
        type_, scale = options.text("type", "sse"), options.number("scale", 1.0)
    except ReadError as error:
        findings.append(error.diagnostic)
        return ""
    options.report_unread(PROGRAM, findings)
    behind_softmax = bool(builder.layers) and builder.layers[-1].kind.keyword == "softmax"
    if behind_softmax and type_ in ("sse", "softmax") and scale == 1:
        return ""
    message = f"a loss of the form `{type_}`{f' times {scale:g}' if scale != 1 else ''} has no counterpart"
    findings.append(Diagnostic("W0901", f"{message}, so the recipe is left out", section.span))
    return f"There is no recipe, because its loss is a `[cost]` of type {type_}, which a recipe cannot have."
