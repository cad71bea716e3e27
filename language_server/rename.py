"""Renames a layer, block, parameter, axis, network or placement everywhere in a file."""

from __future__ import annotations

from alexc.compiler.graph.graph import Graph
from alexc.compiler.pipeline import check_text
from alexc.compiler.text.diagnostics import in_order
from alexc.compiler.text.source import Span

from .spec import Spec


class RenameError(Exception):
    """A name cannot be changed. The message says why."""


def renameable(spec: Spec, offset: int) -> Span:
    """The span of the name at an offset.

    Raises:
        RenameError: there is no name here, or another file defines it.
    """
    occurrence = spec.symbols.at(offset)
    if occurrence is None or occurrence.kind == "file":
        raise RenameError("this is not a name that the file defines")
    if occurrence.definition.source is not spec.source:
        raise RenameError(
            f"`{occurrence.span.text}` is defined in {occurrence.definition.source.name}: rename it in that file"
        )
    return occurrence.span


def rename(spec: Spec, offset: int, name: str) -> list[Span]:
    """The spans to replace with the new name.

    Raises:
        RenameError: the file has errors, the new name is not valid, or it would change the network.
    """
    renameable(spec, offset)
    occurrence = spec.symbols.at(offset)
    assert occurrence is not None
    alike = {each.span for each in spec.symbols.occurrences if each.definition == occurrence.definition}
    spans = sorted(alike, key=lambda span: span.start)
    before = spec.checked.graph
    if before is None:
        (first, *_) = in_order(spec.source, spec.checked.diagnostics)
        raise RenameError(f"fix the errors in this file first: {first.headline}")
    after = check_text(_replaced(spec.text, spans, name), spec.source.name, spec.path, spec.opened)
    if after.graph is None:
        raise RenameError(f"`{name}` is not a valid name: {after.diagnostics[0].headline}")
    if _said(before) != _said(after.graph):
        raise RenameError(f"the name `{name}` would change the network")
    return spans


def _replaced(text: str, spans: list[Span], name: str) -> str:
    for span in reversed(spans):
        text = text[: span.start] + name + text[span.end :]
    return text


def _said(graph: Graph) -> object:
    """The network without its names: each layer, and the indices of the layers that it reads."""
    numbers: dict[str | None, int] = {None: -1} | {node.layer.name: n for n, node in enumerate(graph.nodes)}
    layers = [(node.layer.kind, node.output, [numbers[name] for name in node.layer.inputs]) for node in graph.nodes]
    return layers, [len(each.splits) + len(each.keeps) for each in graph.net.placements]
