"""`alexc summary`: shows the shapes and counts of every layer."""

from __future__ import annotations

import csv
import json
import sys
from dataclasses import asdict, fields
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from alexc.compiler.graph.shapes import MOST_PARAMETERS
from alexc.compiler.graph.summary import Row

from ..net import Net
from ..net_options import NET_FILES, InputShape, MostParameters, read_net
from ..shipped import shipped_specs
from ..terminal import terminal_width


class Format(StrEnum):
    """The output formats."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"
    MARKDOWN = "markdown"


def summary(
    spec: Annotated[list[Path] | None, typer.Argument(metavar="SPEC", help=f"{NET_FILES} Without it: AlexNet.")] = None,
    format: Annotated[Format, typer.Option(help="The output format.")] = Format.TABLE,
    input_: InputShape = None,
    most_parameters: MostParameters = MOST_PARAMETERS,
) -> None:
    """Show the shapes, weights, neurons and multiply-adds of every layer.

    The counts are per image.
    """
    net = read_net(spec or [shipped_specs()["alexnet.net"]], input_, most_parameters)
    if format is Format.JSON:
        print(json.dumps(_as_json(net), indent=2))
    elif format is Format.CSV:
        _write_csv(net)
    else:
        counts = net.summary()
        print(counts.markdown() if format is Format.MARKDOWN else counts.text(terminal_width()))


def _as_json(net: Net) -> dict[str, object]:
    counts = net.summary()
    return {
        "network": net.graph.net.name,
        "input": list(net.graph.net.input.sizes),
        "towers": net.graph.net.towers,
        "layers": [asdict(row) for row in counts.rows],
        "parameters": counts.parameters,
        "weights": counts.totals.weights,
        "biases": counts.totals.biases,
        "neurons": counts.totals.neurons,
        "multiply_adds": counts.totals.multiply_adds,
    }


def _write_csv(net: Net) -> None:
    counts = net.summary()
    writer = csv.DictWriter(sys.stdout, [field.name for field in fields(Row)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(row) for row in [*counts.rows, counts.totals])
