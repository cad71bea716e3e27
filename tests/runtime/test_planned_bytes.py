"""Planned is measured: every collective that a placed module issues, in order, and its bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.testing._internal.distributed.fake_pg import FakeStore

from alexc.compiler.pipeline import check_file, check_text
from alexc.compiler.placed_graph.place import place
from alexc.compiler.placed_graph.placed_graph import PlacedGraph
from alexc.compiler.placed_graph.plan import Message, messages_of, plan
from alexc.runtime.layers.dropout import fix_masks
from alexc.runtime.parallel.gradient_sum import GradientSum
from alexc.runtime.parallel.mesh import Mesh, make_mesh
from benchmarks.collectives_meter import CollectivesMeter, Issued
from tests.compiler.test_place import SPECS, on_many_meshes
from tests.conftest import ROOT
from tests.support.compiled import names_of
from tests.support.meta_shapes import MetaMeter
from tests.support.ranks import run_ranks
from tests.training.test_same_numbers import FOUR_RANKS, TWO_RANKS

pytestmark = pytest.mark.slow

BATCH = 16
# What lies on one device travels by an uneven all-to-all, which compiles; it moves the same bytes.
_ISSUED_AS: dict[str, str] = dict.fromkeys(("gather", "scatter", "broadcast", "reduce", "send"), "all-to-all")


def planned(placed: PlacedGraph, device: int, batch: int) -> tuple[list[Issued], list[Message]]:
    """Of a device the collectives of the two passes, and the sums of gradients."""
    messages = messages_of(placed, device, batch, 4)
    passes = [
        Issued(
            each.phase,
            _ISSUED_AS.get(each.collective, each.collective),
            each.handed,
            each.sent,
            ranks_over(placed, device, each.axes),
        )
        for each in messages
        if each.phase != "gradients"
    ]
    return passes, [each for each in messages if each.phase == "gradients"]


def ranks_over(placed: PlacedGraph, device: int, axes: tuple[str, ...]) -> tuple[int, ...]:
    """The devices that differ from this one on these axes alone."""
    here = placed.coordinates(device)
    apart = [number for number, axis in enumerate(placed.mesh) if axis.name not in axes]
    return tuple(
        other
        for other in range(placed.devices)
        if all(placed.coordinates(other)[number] == here[number] for number in apart)
    )


def placed_network(names: dict[str, Any], placed: PlacedGraph, mesh: Mesh, batch: int) -> tuple[nn.Module, Tensor]:
    network: nn.Module = names[placed.class_name](mesh).train()
    with torch.device("cpu"):  # the keys of the masks are numbers, also where the network is on the meta device
        fix_masks(network, 0, 0)
    _, parts = mesh.share(names["PLACEMENT"].images)
    return network, torch.empty(batch // parts, *placed.graph.net.input.sizes)


def total(made: Tensor | tuple[Tensor, ...]) -> Tensor:
    heads = made if isinstance(made, tuple) else (made,)
    return torch.stack([head.sum() for head in heads]).sum()


def beside(seen: list[Issued], passes: list[Issued], what: str) -> list[Issued]:
    """What was issued beside the collectives of the passes, all of which must be there, in their order."""
    rest, missing = [], passes
    for each in seen:
        if missing and each == missing[0]:
            missing = missing[1:]
        else:
            rest.append(each)
    assert not missing, f"{what}: planned {passes}, measured {seen}"
    return rest


def check_planned(placed: PlacedGraph, names: dict[str, Any], device: int, what: str) -> None:
    """On one device of a mesh that is not there: the fake process group and the meta device."""
    what = f"{what}, device {device}"
    dist.init_process_group("fake", store=FakeStore(), rank=device, world_size=placed.devices)
    try:
        mesh = make_mesh(names["PLACEMENT"].mesh, "cpu")
        with torch.device("meta"):
            network, images = placed_network(names, placed, mesh, BATCH)
        sums = GradientSum(network, names["PLACEMENT"], mesh)
        meter = MetaMeter()
        meter.measured(lambda: total(network(images)))
        with meter:
            sums.wait()
    finally:
        dist.destroy_process_group()
    passes, gradients = planned(placed, device, BATCH)
    summed: dict[tuple[int, ...], int] = {}
    for issued in beside(meter.seen, passes, what):
        assert issued[:2] == ("backward", "all-reduce"), f"{what}: planned {passes}, measured {meter.seen}"
        summed[issued.ranks] = summed.get(issued.ranks, 0) + issued.handed
    wanted: dict[tuple[int, ...], int] = {}
    for message in gradients:
        over = ranks_over(placed, device, message.axes)
        wanted[over] = wanted.get(over, 0) + message.handed
    assert {ranks: size for ranks, size in summed.items() if size} == wanted, f"{what}: gradients"


def check_all(parts: list[tuple[str, str | None]]) -> int:
    """Check specs by path with placements of every sort, or texts with one; returns how many devices were compared."""
    count = 0
    for net, text in parts:
        for what, placed in placements_of(net, text).items():
            names = names_of(placed.graph, placed)
            first_of_each_sort = [made.number for made in plan(placed, BATCH, 4).devices[:4]]
            for device in dict.fromkeys([*first_of_each_sort, placed.devices - 1]):
                check_planned(placed, names, device, what)
                count += 1
    return count


def placements_of(net: str, text: str | None) -> dict[str, PlacedGraph]:
    if text is not None:
        checked = check_text(f"{net}\nplacement p {{\n{text}\n}}\n", "net.net")
        return dict(checked.placed)
    checked = check_file(Path(net))
    assert checked.graph is not None
    found = {f"{net} {name}": placed for name, placed in checked.placed.items()}
    for name, placement in on_many_meshes(checked.graph).items():
        placed, _ = place(checked.graph, placement)
        assert placed is not None
        found[f"{net} {name}"] = placed
    return found


def test_every_transition() -> None:
    parts: list[tuple[str, str | None]] = [*TWO_RANKS.values(), *FOUR_RANKS.values()]
    assert check_all(parts) >= len(parts)


def test_what_is_sent_in_float16() -> None:
    parts: list[tuple[str, str | None]] = [(net, f"{text}\nsend half") for net, text in TWO_RANKS.values()]
    assert check_all(parts) >= len(parts)


# Of each family one network of each kind of block: the others repeat the blocks more or less often, or lack a layer.
DISTINCT = (
    "alexnet", "cifar_11pct", "googlenet_bn", "nin", "overfeat_fast", "resnet50", "small", "squeezenet1_1", "vgg11_bn",
)  # fmt: skip


@pytest.mark.parametrize("part", range(2))
def test_every_kind_of_example_on_every_sort_of_mesh(part: int) -> None:
    specs = [spec for spec in SPECS if spec.stem in DISTINCT]
    assert len(specs) == len(DISTINCT)
    assert check_all([(str(spec), None) for spec in specs[part::2]]) > 7 * len(specs[part::2])


def check_flagship_on_two_ranks(batch: int) -> None:
    placed = check_file(ROOT / "spec" / "alexnet.net").placed["two_gpus"]
    names = names_of(placed.graph, placed)
    mesh = make_mesh(names["PLACEMENT"].mesh, "cpu")
    network, images = placed_network(names, placed, mesh, batch)
    seen = CollectivesMeter().measured(lambda: total(network(images.normal_())))
    passes, _ = planned(placed, 0, batch)
    assert seen == passes


def test_the_flagship_at_full_size_on_two_real_ranks() -> None:
    run_ranks(2, check_flagship_on_two_ranks, 4)
