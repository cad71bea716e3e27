"""`alexc summary`: what a network costs, layer by layer."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, fields
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from alexc.compiler.graph import Graph
from alexc.compiler.summary import Row, rows, total
from alexc.spec_file import flagship, graph_of
from alexc.table import aligned, markdown

HEADER = (
    "layer",
    "kind",
    "reads",
    "output",
    "weights",
    "biases",
    "neurons",
    "multiply-adds",
    "share",
    "then",
    "leaves",
)
NUMERIC = frozenset({"weights", "biases", "neurons", "multiply-adds", "share"})


class Format(StrEnum):
    """How the counts are written."""

    table = "table"
    json = "json"
    csv = "csv"
    markdown = "markdown"


def summary(
    spec: Annotated[
        Path | None, typer.Argument(metavar="[SPEC]", help="A `.net` file. Without one: AlexNet as published.")
    ] = None,
    format_: Annotated[Format, typer.Option("--format", help="How to write it.")] = Format.table,
) -> None:
    """Show shapes, weights, neurons and multiply-adds of every layer, for one image."""
    graph = flagship() if spec is None else graph_of(spec)
    if format_ is Format.json:
        print(json.dumps(_as_json(graph), indent=2))
    elif format_ is Format.csv:
        _write_csv(graph)
    else:
        table = [HEADER, *_cells(graph)]
        print(_headline(graph))
        print()
        print("\n".join(markdown(table, NUMERIC) if format_ is Format.markdown else aligned(table, NUMERIC)))
        print()
        print(_sums(graph))


def _headline(graph: Graph) -> str:
    towers = f", {graph.net.towers} towers" if graph.net.towers > 1 else ""
    return f"{graph.net.name}: reads {graph.net.input}{towers}"


def _sums(graph: Graph) -> str:
    return f"{graph.parameters:,} parameters, {graph.neurons:,} neurons, {graph.multiply_adds:,} multiply-adds an image"


def _cells(graph: Graph) -> list[Sequence[str]]:
    sums = total(graph)
    return [_line(row, sums.multiply_adds) for row in [*rows(graph), sums]]


def _line(row: Row, multiply_adds: int) -> Sequence[str]:
    counts = [f"{count:,}" for count in (row.weights, row.biases, row.neurons, row.multiply_adds)]
    share = f"{100 * row.multiply_adds / multiply_adds:.1f} %" if multiply_adds else ""
    leaves = row.leaves if row.then else ""
    return (row.layer, row.kind, row.reads, row.output, *counts, share, row.then, leaves)


def _as_json(graph: Graph) -> dict[str, object]:
    return {
        "network": graph.net.name,
        "input": list(graph.net.input.sizes),
        "towers": graph.net.towers,
        "layers": [asdict(row) for row in rows(graph)],
        "parameters": graph.parameters,
        "weights": total(graph).weights,
        "biases": total(graph).biases,
        "neurons": graph.neurons,
        "multiply_adds": graph.multiply_adds,
    }


def _write_csv(graph: Graph) -> None:
    writer = csv.DictWriter(sys.stdout, [field.name for field in fields(Row)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(row) for row in [*rows(graph), total(graph)])
