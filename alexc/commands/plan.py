"""`alexc plan`: what each device of a placement stores, computes and sends."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from alexc.compiler.graph.shapes import MOST_PARAMETERS

from ..net_options import MostParameters, read_net
from ..plan import Dtype, as_json
from ..terminal import terminal_width


class Format(StrEnum):
    """The output formats."""

    TABLE = "table"
    JSON = "json"


def plan_(
    spec: Annotated[Path, typer.Argument(metavar="SPEC", help="A `.net` file.", show_default=False)],
    placement: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Show this placement in full.", show_default="compare all"),
    ] = None,
    batch: Annotated[
        int | None, typer.Option(min=1, help="The batch size, over all devices.", show_default="the recipe's")
    ] = None,
    dtype: Annotated[Dtype, typer.Option(help="The type of all values.")] = "float32",
    format: Annotated[Format, typer.Option(help="The output format.")] = Format.TABLE,
    most_parameters: MostParameters = MOST_PARAMETERS,
) -> None:
    """Show what each device of a placement stores, computes and sends.

    The numbers are per training step. Without --placement, all placements of the spec are compared.
    """
    net = read_net([spec], most_parameters=most_parameters)
    if placement is not None:
        plan = net.plan(placement, batch, dtype)
        print(json.dumps(as_json(plan), indent=2) if format is Format.JSON else plan.text(terminal_width()))
        return
    plans = net.plan(batch=batch, dtype=dtype)
    if format is Format.JSON:
        print(json.dumps({name: as_json(plans[name]) for name in plans}, indent=2))
    else:
        print(plans.text(terminal_width()))
