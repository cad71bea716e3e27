"""What the page shows of specs, as values for JSON, the most urgent first."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from alexc.compiler.drawing.draw import drawing_of
from alexc.compiler.drawing.svg import svg_of
from alexc.compiler.files.layer_lines import layer_lines
from alexc.compiler.graph.graph import Graph
from alexc.compiler.pipeline import Checked, check_text
from alexc.compiler.text.diagnostics import Diagnostic, in_order
from alexc.compiler.text.reading import decode_source
from alexc.compiler.text.source import Span
from alexc.compiler.tree.tree import Nested, Statement, Word, first_word
from alexc.compiler.vocabulary import NETWORK

from ..drawing import Theme
from ..net import Net
from ..printable import printable
from ..spec_error import SpecError
from ..summary import NUMERIC
from ..table import Table

View = dict[str, object]
MOST_LAYERS = 5000  # of a network that is shown in full: a browser cannot draw any number of elements
_NUMBER = re.compile(r"[\d_]+$")  # of a line in a repetition


def check(text: str, path: Path) -> Checked:
    """Check a text that stands for the file at `path`; it has the limits of a file."""
    name = printable(path)
    source, found = decode_source(text.encode(errors="surrogatepass"), name, path)
    return Checked(source, None, tuple(found)) if found else check_text(source.text, name, path)


def views(checked: Sequence[Checked], theme: Theme) -> Iterator[View]:
    """The views of checked specs. Each value is one step of work, between which the caller can stop.

    Each has `view`, its name, and `spec`, the index of its spec; a spec with errors has the view `findings` only. A
    view that cannot be shown has `problem`, which says why.
    """
    nets = {number: Net(each) for number, each in enumerate(checked) if each.graph is not None}
    for number, each in enumerate(checked):
        yield {"view": "findings", "spec": number, **_findings(each)}
    for number, net in nets.items():
        yield {"view": "table", "spec": number, **_table(net, checked[number])}
        yield {"view": "picture", "spec": number, **(_too_large(net, "draw") or _picture(net.graph, theme))}
    if len(nets) == len(checked) == 2:
        before, after = nets.values()
        large = _too_large(before, "diff") or _too_large(after, "diff")
        yield {"view": "differences", **(large or _differences(before, after))}
    for number, net in nets.items():
        for placement in ("", *net.placements):
            made = _too_large(net, "compile") or _python(checked[number], placement)
            yield {"view": "python", "spec": number, "placement": placement, **made}
    for number, net in nets.items():
        for placement in net.placements:
            made = _too_large(net, "plan") or _plan(net, placement)
            yield {"view": "plan", "spec": number, "placement": placement, **made}


def _too_large(net: Net, command: str) -> View:
    layers = len(net.graph.nodes)
    if layers <= MOST_LAYERS:
        return {}
    return {"problem": f"This network has {layers:,} layers; the page shows up to {MOST_LAYERS:,}: use alexc {command}"}


def _findings(checked: Checked) -> View:
    findings = in_order(checked.source, checked.diagnostics)
    return {"good": checked.graph is not None, "findings": [_finding(checked, each) for each in findings]}


def _finding(checked: Checked, finding: Diagnostic) -> View:
    """A finding in a file that the spec extends stands at the word `extends`; its message names the file."""
    here = finding.span.source is checked.source
    span = finding.span if here else _where_it_extends(checked)
    where = "" if here else "{}:{}:{}: ".format(finding.span.source.name, *finding.span.line_and_column)
    others = [each for each in finding.others if each.span.source is checked.source]
    return {
        "code": finding.code,
        "severity": finding.severity,
        "line": span.line_and_column[0],
        "start": _units(span.source.text, span.start),
        "end": _units(span.source.text, span.end),
        "message": printable(where + finding.headline),
        "label": printable(finding.label),
        "help": printable(finding.help),
        "others": [{"line": each.span.line_and_column[0], "text": printable(each.text)} for each in others],
    }


def _where_it_extends(checked: Checked) -> Span:
    bases = [block.base for block in checked.tree.blocks] if checked.tree is not None else []
    spans = [base.span for base in bases if base is not None and base.path is not None]
    return spans[0] if spans else Span(checked.source, 0, 0)


def _units(text: str, offset: int) -> int:
    """The offset in UTF-16, in which a browser counts."""
    return offset if text.isascii() else len(text[:offset].encode("utf-16-le", "surrogatepass")) // 2


def _table(net: Net, checked: Checked) -> View:
    summary = net.summary()
    header, *rows, total = summary.table()
    statements = {each.layer.statement for each in net.graph.nodes[:MOST_LAYERS]}
    hidden = max(0, len(rows) - len(statements))
    notes = [summary.note, f"{hidden:,} further lines are not shown" if hidden else ""]
    lines = _lines(net.graph, checked)
    layers = [
        {"name": each.layer.name, "statement": each.layer.statement, "lines": sorted(lines[each.layer.name])}
        for each in net.graph.nodes[:MOST_LAYERS]
    ]
    return {
        "layers": layers,
        "name": net.graph.net.name,
        "headline": summary.headline,
        "counts": {
            "parameters": net.graph.parameters,
            "neurons": net.graph.neurons,
            "multiply-adds": net.graph.multiply_adds,
        },
        "note": "; ".join(filter(None, notes)),
        "header": header,
        "numeric": [name in NUMERIC for name in header],
        "rows": rows[: len(statements)],
        "total": total,
        "placements": ["", *net.placements],
    }


def _lines(graph: Graph, checked: Checked) -> dict[str, set[int]]:
    """The lines of the text that each layer is made or changed by, by its name.

    These are the line of its kind, also in a block, and the line of the network with its name.
    """
    found: dict[str, set[int]] = {node.layer.name: set() for node in graph.nodes}
    named: dict[str, list[str]] = {}
    for node in graph.nodes:
        name, statement = node.layer.name, node.layer.statement
        if node.layer.span.source is checked.source:
            found[name].add(node.layer.span.line_and_column[0])
        for word in {statement, _NUMBER.sub("", statement), node.layer.line, name}:
            named.setdefault(word, []).append(name)
    assert checked.tree is not None
    for block in checked.tree.blocks:
        for first in _first_words(block.statements) if block.keyword.text == NETWORK else ():
            for name in named.get(first.text, ()):
                found[name].add(first.span.line_and_column[0])
    return found


def _first_words(statements: Sequence[Statement]) -> Iterator[Word]:
    for statement in statements:
        yield first_word(statement)
        if isinstance(statement, Nested):
            yield from _first_words(statement.statements)


def _picture(graph: Graph, theme: Theme) -> View:
    drawing = drawing_of(graph)
    return {"svg": svg_of(drawing, theme), "layers": [group.layers for group in drawing.groups if group.name]}


def _python(checked: Checked, placement: str) -> View:
    assert checked.graph is not None
    text = checked.python(placement or None)
    lines = layer_lines(text, checked.graph, checked.placed[placement] if placement else None)
    return {"text": text, "lines": lines}


def _plan(net: Net, placement: str) -> View:
    try:
        parts = net.plan(placement).parts()
    except SpecError as error:  # the devices cannot share the batch, or too many of them differ
        return {"problem": str(error)}
    return {"parts": [part if isinstance(part, str) else _plan_table(part) for part in parts]}


def _plan_table(table: Table) -> View:
    header, *rows = table.rows
    return {"header": header, "numeric": [name in table.numeric for name in header], "rows": rows}


def _differences(before: Net, after: Net) -> View:
    found = before.diff(after)
    return {
        "same": found.same,
        "settings": [asdict(each) for each in found.settings],
        "layers": [asdict(each) for each in found.layers],
        "before": asdict(found.before),
        "after": asdict(found.after),
        "weights": {"load": found.weights.load, **asdict(found.weights)},
    }
