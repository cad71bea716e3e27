"""The diagnostics of a spec, in the form of the protocol."""

from __future__ import annotations

from pathlib import Path

from lsprotocol.types import Diagnostic as Shown
from lsprotocol.types import DiagnosticRelatedInformation, DiagnosticSeverity, Location, Position, Range

from alexc.compiler.text.diagnostics import Diagnostic, in_order
from alexc.compiler.text.source import Span
from alexc.printable import printable

from .positions import Positions
from .spec import Spec


def diagnostics(spec: Spec) -> list[Shown]:
    """The diagnostics of a spec. Those of a file that it extends point at the `extends` clause."""
    return [shown(spec, each) for each in in_order(spec.source, spec.checked.diagnostics)]


def location(spec: Spec, span: Span) -> Location | None:
    """The location of a span in this document or in a file that it extends; None if the text is not a file."""
    own = [spec.source, *([spec.last_valid.source] if spec.last_valid is not None else [])]
    if span.source in own or (span.source.path and spec.path and _same_file(span.source.path, spec.path)):
        return Location(spec.uri, Positions(span.source.text, spec.encoding).range(span))
    if span.source.path is None:
        return None
    path = span.source.path.resolve()
    return Location(path.as_uri(), Positions(span.source.text, spec.encoding).range(span))


def _same_file(one: Path, other: Path) -> bool:
    """Whether two paths lead to the same file."""
    return one.resolve() == other.resolve()


def shown(spec: Spec, finding: Diagnostic) -> Shown:
    """A diagnostic in the form of the protocol."""
    here = finding.span.source is spec.source
    message = "\n".join(
        filter(None, [finding.headline, finding.label, f"help: {finding.help}" if finding.help else ""])
    )
    if not here:
        line, column = finding.span.line_and_column
        message = f"{finding.span.source.name}:{line}:{column}: {message}"
    places = [(other.span, other.text) for other in finding.others]
    if not here:
        places.insert(0, (finding.span, finding.headline))
    related = [
        DiagnosticRelatedInformation(found, printable(text))
        for span, text in places
        if (found := location(spec, span)) is not None
    ]
    return Shown(
        range=spec.positions.range(finding.span) if here else _where_it_extends(spec),
        message="\n".join(printable(line) for line in message.split("\n")),
        severity=DiagnosticSeverity.Error if finding.severity == "error" else DiagnosticSeverity.Warning,
        code=finding.code,
        source="alexc",
        related_information=related or None,
    )


def _where_it_extends(spec: Spec) -> Range:
    for block in spec.tree.blocks:
        if block.base is not None and block.base.path is not None:
            return spec.positions.range(block.base.span)
    return Range(Position(0, 0), Position(0, 0))
