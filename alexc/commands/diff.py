"""`alexc diff`: shows what changes between two specs."""

from __future__ import annotations

import json
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from alexc.compiler.graph.shapes import MOST_PARAMETERS

from ..diff import Diff
from ..net_options import MostParameters, read_net
from ..spec_error import SpecError
from ..terminal import print_message, terminal_width

EXIT_DIFFERENT = 1
EXIT_CANNOT_COMPARE = 2


class Format(StrEnum):
    """The output formats."""

    TEXT = "text"
    JSON = "json"


def diff(
    before: Annotated[Path, typer.Argument(metavar="A", help="The first `.net` file.", show_default=False)],
    after: Annotated[Path, typer.Argument(metavar="B", help="The second `.net` file.", show_default=False)],
    format: Annotated[Format, typer.Option(help="The output format.")] = Format.TEXT,
    most_parameters: MostParameters = MOST_PARAMETERS,
) -> None:
    """Compare two specs, and say whether the weights of one load in the other.

    The exit code is 0 if they are equal, 1 if they differ, and 2 if one of them cannot be read.
    """
    try:
        nets = [read_net([spec], most_parameters=most_parameters) for spec in (before, after)]
        found = nets[0].diff(nets[1])
    except SpecError as mistake:
        print_message(mistake.report())
        raise typer.Exit(EXIT_CANNOT_COMPARE) from None
    print(json.dumps(_as_json(found), indent=2) if format is Format.JSON else found.text(terminal_width()))
    if not found.same:
        raise typer.Exit(EXIT_DIFFERENT)


def _as_json(found: Diff) -> dict[str, object]:
    changes = asdict(found)
    del changes["names"]
    return {"same": found.same, **changes, "weights_load": found.weights.load}
