"""`alexc plan`: what each device of a placement holds, computes and sends."""

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
from alexc.compiler.placed_graph.plan import Plan, data_parallel
from alexc.runtime.errors import UserError

from ..named_net import MostParameters, named_net
from ..plan import Dtype, as_json, batch_of, in_words, planned, side_by_side
from ..printable import printable


class Format(StrEnum):
    """How the plan is written."""

    table = "table"
    json = "json"


def plan_(
    spec: Annotated[Path, typer.Argument(metavar="SPEC", help="A `.net` file.", show_default=False)],
    placement: Annotated[
        str | None, typer.Option(metavar="NAME", help="One placement in full.", show_default="all, side by side")
    ] = None,
    batch: Annotated[
        int | None, typer.Option(min=1, help="Images of a step, over all devices.", show_default="the recipe's")
    ] = None,
    dtype: Annotated[Dtype, typer.Option(help="The type of all numbers.")] = "float32",
    format_: Annotated[Format, typer.Option("--format", help="How to write it.")] = Format.table,
    most_parameters: MostParameters = MOST_PARAMETERS,
) -> None:
    """Show what each device of a placement stores, computes and sends.

    The numbers are per training step. Without --placement, all placements of the spec are compared.
    """
    net = named_net([spec], most_parameters=most_parameters)
    if placement is not None:
        made = net.plan(placement, batch, dtype)
        print(json.dumps(as_json(made.counts), indent=2) if format_ is Format.json else made)
        return
    if not net.placements:
        raise UserError(f"{printable(spec)}: has no placement; write one: `placement two_gpus {{ … }}`")
    images = batch or batch_of(net.graph)
    plans = {name: net.plan(name, images, dtype).counts for name in net.placements}
    plans |= _yardsticks(net.graph, plans, images, dtype)
    if format_ is Format.json:
        print(json.dumps({name: as_json(each) for name, each in plans.items()}, indent=2))
    else:
        print("\n".join(side_by_side(net.graph, plans, in_words(images, dtype), str(spec))))


def _yardsticks(graph: Graph, plans: Mapping[str, Plan], batch: int, dtype: Dtype) -> dict[str, Plan]:
    """One device, and plain data parallelism over as many devices as the placements have, where the batch allows it."""
    found: dict[str, Plan] = {}
    for devices in sorted({1, *(made.placed.devices for made in plans.values())}):
        placed, _ = place(graph, data_parallel(graph, devices))
        if placed is not None and batch % devices == 0:
            name = "one device" if devices == 1 else f"images over {devices}"
            found[name] = planned(placed, batch, dtype)
    return found
