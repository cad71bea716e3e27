"""`alexc plan`: what each device of a placement stores, computes and sends."""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from alexc.compiler.graph.graph import Graph
from alexc.compiler.graph.shapes import MOST_PARAMETERS
from alexc.compiler.placed_graph.place import place
from alexc.compiler.placed_graph.plan import data_parallel
from alexc.runtime.errors import UserError

from ..net_options import MostParameters, read_net
from ..plan import Dtype, Plan, as_json, default_batch, make_plan, side_by_side
from ..printable import printable
from ..terminal import terminal_width


class Format(StrEnum):
    """The output formats."""

    table = "table"
    json = "json"


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
    format_: Annotated[Format, typer.Option("--format", help="The output format.")] = Format.table,
    most_parameters: MostParameters = MOST_PARAMETERS,
) -> None:
    """Show what each device of a placement stores, computes and sends.

    The numbers are per training step. Without --placement, all placements of the spec are compared.
    """
    net = read_net([spec], most_parameters=most_parameters)
    if placement is not None:
        plan = net.plan(placement, batch, dtype)
        print(json.dumps(as_json(plan), indent=2) if format_ is Format.json else plan.text(terminal_width()))
        return
    if not net.placements:
        raise UserError(f"{printable(spec)}: has no placement; add one: `placement two_gpus {{ … }}`")
    images = batch or default_batch(net.graph)
    plans = {name: net.plan(name, images, dtype) for name in net.placements}
    plans |= _baselines(net.graph, plans, images, dtype)
    if format_ is Format.json:
        print(json.dumps({name: as_json(each) for name, each in plans.items()}, indent=2))
    else:
        print("\n".join(side_by_side(net.graph, plans, printable(spec), terminal_width())))


def _baselines(graph: Graph, plans: Mapping[str, Plan], batch: int, dtype: Dtype) -> dict[str, Plan]:
    """Plans to compare with: one device, and data parallelism on as many devices as each placement has.

    A number of devices that does not divide the batch is left out.
    """
    found: dict[str, Plan] = {}
    for devices in sorted({1, *(plan.placed.devices for plan in plans.values())}):
        placed, _ = place(graph, data_parallel(graph, devices))
        if placed is not None and batch % devices == 0:
            name = "one device" if devices == 1 else f"images over {devices}"
            found[name] = make_plan(placed, batch, dtype)
    return found
