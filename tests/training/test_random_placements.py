"""Random placements of random networks: each that the compiler accepts trains as one process does.

The losses, and all weights, averages and velocities at the end, are compared in float64, to 1e-11. The bytes that each
device sends are those of the plan.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import cache, partial
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from alexc.compiler.net.expanded_parts import attribute_of
from alexc.compiler.pipeline import check_text
from alexc.compiler.placed_graph.plan import messages_of
from alexc.runtime.data.batch_loader import Batch
from alexc.runtime.layers.dropout import fix_masks
from alexc.runtime.parallel.mesh import Mesh, make_mesh
from alexc.runtime.parallel.rank import Rank, alone
from alexc.runtime.training.heads import heads_of
from alexc.runtime.training.model import Model
from alexc.runtime.training.trainer import Trainer
from benchmarks.collectives_meter import CollectivesMeter
from tests.support.compiled import names_of
from tests.support.ranks import run_ranks

pytestmark = pytest.mark.slow

SEED, IMAGES = 5, 12
TRAIN = f"""
train {{
  prepare   resize 12 -> center_crop 12 -> normalize
  augment   random_crop 8
  test      center 8
  loss      cross_entropy smoothing=0.1
  optimizer sgd lr=0.02 momentum=0.9 weight_decay=0.005
  schedule  constant
  gradients clip_norm 0.5
  average   ema decay=0.5
  batch     {IMAGES}
  epochs    1
}}
"""
MESHES = {2: ["a=2", "a=2 b=1"], 3: ["a=3"], 4: ["a=4", "a=2 b=2", "a=2 b=2", "a=2 b=1 c=2"]}


@dataclass(frozen=True)
class Case:
    """A network, the statements of a placement, and the layers that are not trained."""

    net: str
    placement: str
    frozen: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.net}\n{self.placement}\nfrozen: {self.frozen}"


SMALL = """network Net {
input 3x8x8
n0: conv 12 kernel=3 pad=1 -> relu
h1: n0 -> linear 12 -> softmax share=0.3
n2: n0 -> conv 12 kernel=1 -> batchnorm
out: linear 12 -> softmax
}
"""
FOUND = {  # what once failed, or waited for ever
    2: [
        Case(SMALL, "mesh a=2\nkeep n0 on a 1", frozen=("n0",)),
        Case(SMALL, "mesh a=2\nsplit images by a\nkeep n2 on a 1", frozen=("n0", "n2", "n2_batchnorm")),
    ],
    4: [
        Case(SMALL, "mesh a=2 b=2\nkeep n0 on a 1\nkeep n0 on b 0"),
        Case(SMALL, "mesh a=2 b=2\nsplit images by a\nkeep n2 on a 1\nkeep n2 on b 1\nsplit images by b in n0 out"),
        Case(SMALL, "mesh a=2 b=2\nkeep n2 on a 1\nsplit images by b"),
        Case(
            SMALL,
            "mesh a=2 b=2\nsplit images by a\nsplit channels by a in n0\nkeep out on a 0\n"
            "split images by b\nkeep h1 n2 on b 1",
        ),
    ],
}


def random_layer(rng: random.Random, reads: str) -> str:
    """A layer, or two, of 12 or 24 channels, which 2, 3 and 4 devices can share."""
    channels = rng.choice([12, 24])
    return rng.choice(
        [
            f"conv {channels} kernel=3 pad=1{reads}",
            f"conv {channels} kernel=1 groups={rng.choice([1, 2, 12])}{reads}",
            f"local 12 kernel=3 stride=2 pad=1{reads}",
            f"conv {channels} kernel=3 pad=1{reads} -> batchnorm -> relu",
            f"linear {channels}{reads} -> batchnorm",
            f"linear {channels}{reads} -> tanh",
            f"lrn {rng.randint(1, 5)} k=1 alpha=0.1 beta=0.75 norm=sum over={rng.choice(['tower', 'all'])}",
            "lrn 3 k=1 alpha=0.1 beta=0.75 norm=mean within=map",
            f"dropout 0.3 scale={rng.choice(['train', 'test'])}",
            "maxpool 2", "avgpool 3 stride=2", "adaptive_avgpool 2", "global_avgpool", "relu", "sigmoid", "flatten",
        ]
    )  # fmt: skip


def random_network(rng: random.Random) -> str:
    """Lines are added one after the other; those that do not fit are left out."""
    towers = rng.choice([1, 1, 2, 3, 4])

    def reads() -> str:
        return f" reads={rng.choice(['tower', 'all'])}" if towers > 1 else ""

    def layer() -> str:
        return random_layer(rng, reads())

    def network(body: str, last: str) -> str:
        everything = " reads=all" if towers > 1 else ""
        end = f"out: {last} -> linear 12{everything} -> softmax\n"
        return f"network Net {{\ninput 3x8x8\ntowers {towers}\n{body}{end}}}\n"

    body, last = f"n0: conv {rng.choice([12, 24])} kernel=3 pad=1 -> relu\n", "n0"
    for number in range(1, rng.randint(3, 7)):
        new = f"n{number}"
        lines = rng.choice(
            [
                f"{new}: {last} -> {layer()}\n",
                f"{new}: {last} -> {layer()} -> {layer()}\n",
                f"l{number}: {last} -> {layer()}\nm{number}: {last} -> {layer()}\n{new}: add l{number} m{number}\n",
                f"l{number}: {last} -> {layer()}\nm{number}: {last} -> {layer()}\n{new}: concat l{number} m{number}\n",
                f"{new}: {last} -> {layer()} -> add {last}\n",
                f"l{number}: input -> conv 12 kernel=3 pad=1\n{new}: {last} -> add l{number}\n",
                f"h{number}: {last} -> linear 12{' reads=all' if towers > 1 else ''} -> softmax share=0.3\n",
            ]
        )
        after = last if lines.startswith("h") else new
        if check_text(network(body + lines, after), "net.net").graph is not None:
            body, last = body + lines, after
    return network(body, last)


def random_placement(rng: random.Random, ranks: int, lines: list[str]) -> str:
    """Statements that split or keep random runs of lines, for each axis."""
    mesh = rng.choice(MESHES[ranks])
    text = [f"mesh {mesh}"]
    for axis in mesh.split():
        name, devices = axis.split("=")
        ways = ["", f"split images by {name} in", f"split channels by {name} in"]
        ways += [f"keep|on {name} {device}" for device in range(int(devices))]
        ways = rng.sample(ways, rng.randint(1, len(ways)))
        rest = rng.choice(["", f"split images by {name}", f"split channels by {name}"])
        text += [rest] if rest else []
        first = 0
        while first < len(lines):
            end, way = first + rng.randint(1, 3), rng.choice(ways)
            before, _, after = way.partition("|")
            text += [f"{before} {' '.join(lines[first:end])} {after}"] if way else []
            first = end
    return "\n".join(text)


def random_case(seed: int, ranks: int) -> Case | None:
    """A case for this number of ranks; None if the compiler does not accept it."""
    rng = random.Random(seed)
    net = random_network(rng)
    graph = check_text(net, "net.net").graph
    assert graph is not None, net
    placement = random_placement(rng, ranks, list(graph.statements()))
    if "p" not in check_text(f"{net}{TRAIN}placement p {{\n{placement}\n}}\n", "net.net").placed:
        return None
    layers = [attribute_of(node.layer.name) for node in graph.nodes if node.weights]
    return Case(net, placement, tuple(rng.sample(layers, rng.choice([0, 0, len(layers) // 3]))))


@cache
def compiled(net: str, placement: str | None = None) -> dict[str, Any]:
    """The globals of the generated file."""
    text = f"{net}{TRAIN}" + (f"placement p {{\n{placement}\n}}\n" if placement else "")
    checked = check_text(text, "net.net")
    assert checked.graph is not None, checked.diagnostics
    return names_of(checked.graph, checked.placed["p"] if placement else None)


def batches(sizes: list[int], rank: Rank) -> list[tuple[int, Batch]]:
    """This rank's part of random batches."""
    draw, share, made = torch.Generator().manual_seed(SEED), rank.batch_shard, []
    for size in sizes:
        images = torch.randn((size, 3, 8, 8), generator=draw)
        labels = torch.randint(0, 12, (size,), generator=draw).numpy()
        own = torch.zeros(share.rows_read(size), 3, 8, 8)
        rows = share.select(np.arange(size))
        own[: len(rows)] = images[torch.from_numpy(rows)]
        made.append((size, Batch(own, share.labels(labels), size)))
    return made


def trained(
    net: str, frozen: tuple[str, ...], rank: Rank, network: nn.Module
) -> tuple[list[float], dict[str, Tensor], Tensor]:
    """Train a network; returns the losses, the whole state, and sums over the logits of a batch at the end."""
    whole = compiled(net)["Net"]()
    network.reset_parameters(SEED)  # type: ignore[operator]
    settings = SimpleNamespace(
        recipe=compiled(net)["RECIPE"], freeze=frozen, seed=SEED, steps_per_epoch=lambda images: images // IMAGES
    )
    plan = SimpleNamespace(
        network=network,
        whole=whole,
        outputs=12,
        rank=rank,
        settings=settings,
        device=torch.device("cpu"),
        class_weights=None,
    )
    model = Model(cast("Any", plan))
    state = SimpleNamespace(step=0, epoch=0)
    data = SimpleNamespace(store=SimpleNamespace(train=range(2 * IMAGES)))
    trainer = Trainer(cast("Any", settings), model, cast("Any", data), cast("Any", None), cast("Any", state))
    losses = []
    last = IMAGES if "batchnorm" in net else 5
    for images, batch in batches([IMAGES, IMAGES, last], rank):
        losses += [result.loss for result in trainer.take_step(images, [(batch, True)], lambda: False)]
        state.step += 1
    made = model.state_dict()
    model.load_state_dict(made)
    tensors = {f"{kind}: {name}": value for kind in ("weights", "average") for name, value in made[kind].items()}
    tensors |= {f"momentum: {name}": value for each in made["optimizer"].values() for name, value in each.items()}
    network.eval()
    ((_, batch),) = batches([IMAGES], rank)
    with torch.no_grad():
        logits = network(batch.images)
    assert len(logits) == len(batch.labels)
    figures = torch.stack([logits.sum(), logits.square().sum()]) * rank.reports_metrics
    return losses, tensors, rank.sum(figures)


def planned(net: str, placement: str, device: int) -> list[tuple[str, str, int, int]]:
    """The collectives of the two passes on a device, with the bytes passed to each and the bytes sent."""
    placed = check_text(f"{net}{TRAIN}placement p {{\n{placement}\n}}\n", "net.net").placed["p"]
    routed = ("gather", "scatter", "broadcast", "reduce", "send")  # an uneven all-to-all with the same bytes
    return [
        (each.phase, "all-to-all" if each.collective in routed else each.collective, each.handed, each.sent)
        for each in messages_of(placed, device, IMAGES, 8)
        if each.phase != "gradients"
    ]


def issued(made: dict[str, Any], mesh: Mesh) -> list[tuple[str, str, int, int]]:
    """The same, as torch issues them."""
    network = made["NetP"](mesh).train()
    fix_masks(network, 0, 0)
    images = torch.randn(Rank(mesh, made["PLACEMENT"]).batch_shard.rows_read(IMAGES), 3, 8, 8)
    seen = CollectivesMeter().measured(lambda: torch.stack([head.sum() for head in heads_of(network(images))]).sum())
    return [each[:4] for each in seen]


@cache
def trained_alone(net: str, frozen: tuple[str, ...]) -> tuple[list[float], dict[str, Tensor], Tensor]:
    """The same, of the whole network in one process."""
    return trained(net, frozen, alone(), compiled(net)["Net"]())


def check_cases(cases: list[Case]) -> None:
    """Train each placed network on all ranks, and compare it with the whole network trained by one process."""
    torch.set_default_dtype(torch.float64)
    for case in cases:
        made = compiled(case.net, case.placement)
        mesh = make_mesh(made["PLACEMENT"].mesh, "cpu")
        assert issued(made, mesh) == planned(case.net, case.placement, mesh.rank), case
        here = trained(case.net, case.frozen, Rank(mesh, made["PLACEMENT"]), made["NetP"](mesh))
        whole = trained_alone(case.net, case.frozen)
        why = partial("{}\n{}".format, case)
        torch.testing.assert_close(here, whole, rtol=0, atol=1e-11, msg=why)


@pytest.mark.parametrize("ranks", [2, 3, 4])
def test_random_placements_train_as_one_process_does(ranks: int) -> None:
    accepted = [case for seed in range(20) if (case := random_case(seed, ranks))]
    run_ranks(ranks, check_cases, accepted[:5])


@pytest.mark.parametrize("ranks", FOUND)
def test_placements_that_once_failed(ranks: int) -> None:
    run_ranks(ranks, check_cases, FOUND[ranks])
