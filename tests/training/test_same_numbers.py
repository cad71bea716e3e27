"""Every mesh gives the same numbers: in float64, generated modules train as one process does, to 1e-12.

Each network takes six steps of SGD with momentum, gradient clipping, dropout and normalisation. The loss of every step
and all weights at the end are compared.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn

from alexc.compiler.files.pytorch import write_pytorch
from alexc.compiler.pipeline import check_text
from alexc.runtime import recipes
from alexc.runtime.layers.dropout import fix_masks
from alexc.runtime.parallel.gradient_sum import GradientSum
from alexc.runtime.parallel.mesh import Mesh, make_mesh
from alexc.runtime.parallel.placement import Placement
from alexc.runtime.parallel.rank import Rank, alone
from alexc.runtime.parallel.whole_weights import gather_tensors
from alexc.runtime.training.base_optimizer import parameter_groups
from alexc.runtime.training.clipping import clip_gradients
from alexc.runtime.training.sgd import MomentumSGD
from tests.support.compiled import names_in
from tests.support.ranks import run_ranks

pytestmark = pytest.mark.slow

BATCH, STEPS, SEED = 8, 6, 3
CLIPPED = (recipes.ClipNorm(0.5),)  # small enough to clip in every step

# AlexNet in small: the same layers, towers, reads and order.
ALEXNET = """
network Net {
  input  3x35x35
  towers 2

  default conv, linear  weight=xavier
  default lrn           size=5 k=2 alpha=1e-2 beta=0.75 norm=sum over=OVER

  conv1: conv 12 kernel=5 stride=2             -> relu -> lrn -> maxpool 3 stride=2
  conv2: conv 16 kernel=3 pad=1 reads=tower bias=1 -> relu -> lrn -> maxpool 3 stride=2
  conv3: conv 24 kernel=3 pad=1 reads=all      -> relu
  conv4: conv 24 kernel=3 pad=1 reads=tower    -> relu
  conv5: conv 16 kernel=3 pad=1 reads=tower    -> relu -> maxpool 3 stride=2
  fc6:   linear 32 reads=all                   -> relu -> dropout 0.5 scale=test
  fc7:   linear 32 reads=all                   -> relu -> dropout 0.5 scale=train
  fc8:   linear 12 reads=all weight_rate=2     -> softmax
}
"""
OVER_TOWER, OVER_ALL = ALEXNET.replace("OVER", "tower"), ALEXNET.replace("OVER", "all")

# What AlexNet does not have: branches, batch normalisation, grouped units, dropout of maps.
BRANCHES = """
network Net {
  input  3x16x16
  towers 2

  default conv, linear  weight=xavier

  stem:  conv 8 kernel=3 pad=1 reads=all  -> batchnorm -> relu -> dropout 0.2 scale=train
  left:  conv 8 kernel=1 reads=tower      -> tanh
  right: stem -> conv 8 kernel=3 pad=1 reads=all groups=2 -> lrn 3 k=1 alpha=0.1 beta=0.5 norm=mean over=all
  both:  add left right                   -> maxpool 2
  means: add left right                   -> avgpool 2
  concat both means
  fc1:   linear 16 reads=tower            -> relu
  fc2:   linear 12 reads=all              -> softmax
}
"""

# What later networks have: excitation, stochastic depth, slices, shuffled channels, layer norms, learned slopes.
MODERN = """
network Net {
  input  3x16x16

  default conv, linear  weight=xavier

  stem:  conv 16 kernel=3 stride=2 pad=1    -> layernorm -> prelu
  maps:  conv 16 kernel=3 pad=1 groups=16   -> hardswish -> mish
  gate:  global_avgpool                     -> linear 8 -> relu -> linear 16 -> hardsigmoid -> multiply maps
  thin:  conv 16 kernel=1                   -> layer_scale 0.5 bias=0.1 -> stochastic_depth 0.5 scale=train -> add stem
  kept:  slice 0 8
  other: thin -> slice 8                    -> conv 8 kernel=1 -> prelu shared=yes
  high:  maximum kept other
  both:  concat kept other high             -> channel_shuffle 2 -> stochastic_depth 0.25 scale=test
  cut:   reorg 2                            -> widen 98
  last:  global_avgpool                     -> layernorm
  fc:    linear 12                          -> softmax
}
"""

# Two layers that read the images.
FAR = """
network Net {
  input  3x16x16

  default conv, linear  weight=xavier

  stem:  conv 8 kernel=3 pad=1           -> relu -> lrn 4 k=1 alpha=0.1 beta=0.75 norm=sum
  far:   input -> conv 8 kernel=5 pad=2  -> relu
  add stem far                           -> maxpool 4
  fc:    linear 12                       -> softmax
}
"""

# The AlexNet of 2013 in small: four towers in two rows and two columns.
GRID = """
network Net {
  input  3x16x16
  towers 2x2

  default conv, linear  weight=xavier

  conv1: conv 8 kernel=3                                 -> relu
  conv2: conv 16 kernel=3 pad=sides(1, 0, 1, 0) reads=cross -> relu -> maxpool 2
  conv3: conv 16 kernel=3 reads=row                      -> relu
  fc4:   linear 16 reads=cross                           -> relu -> dropout 0.5 scale=test
  fc5:   linear 16 reads=row                             -> relu
  fc6:   linear 12 reads=all towers=1                    -> softmax
}
"""

TWO_RANKS = {
    "towers": (OVER_TOWER, "mesh tower=2\nsplit channels by tower"),
    "towers, normalised over all": (OVER_ALL, "mesh tower=2\nsplit channels by tower"),
    "the trick": (OVER_TOWER, "mesh gpu=2\nsplit images by gpu in conv1..conv5\nsplit channels by gpu in fc6..fc8"),
    "fc8 kept": (OVER_TOWER, "mesh tower=2\nsplit channels by tower\nkeep fc8 on tower 0"),
    "fc8 kept on the other": (OVER_ALL, "mesh tower=2\nsplit channels by tower\nkeep fc8 on tower 1"),
    "images": (OVER_TOWER, "mesh copy=2\nsplit images by copy"),
    "fc whole": (OVER_TOWER, "mesh gpu=2\nsplit images by gpu in conv1..conv5"),
    "first kept, then images": (OVER_ALL, "mesh gpu=2\nkeep conv1 on gpu 1\nsplit images by gpu in conv2..fc8"),
    "first kept, then channels": (OVER_TOWER, "mesh gpu=2\nkeep conv1 on gpu 1\nsplit channels by gpu in conv2..fc8"),
    "one after the other": (OVER_ALL, "mesh gpu=2\nkeep conv1..conv4 on gpu 0\nkeep conv5..fc8 on gpu 1"),
    "kept in the middle": (OVER_ALL, "mesh gpu=2\nkeep conv3..conv4 on gpu 1\nsplit channels by gpu in fc6"),
    "by turns": (OVER_TOWER, "mesh gpu=2\nsplit channels by gpu in conv1 conv3 fc7\nsplit images by gpu in fc6"),
    "kept between images": (OVER_TOWER, "mesh gpu=2\nsplit images by gpu\nkeep conv2..conv3 on gpu 1"),
    "an even window": (FAR, "mesh gpu=2\nsplit channels by gpu"),
    "branches by channels": (BRANCHES, "mesh gpu=2\nsplit channels by gpu"),
    "branches by images": (BRANCHES, "mesh gpu=2\nsplit images by gpu"),
    "branches apart": (BRANCHES, "mesh gpu=2\nkeep left on gpu 0\nkeep right on gpu 1"),
    "modern by channels": (MODERN, "mesh gpu=2\nsplit channels by gpu"),
    "modern, parts kept": (MODERN, "mesh gpu=2\nsplit images by gpu\nkeep thin on gpu 1\nkeep last on gpu 0"),
    "rows of a grid": (GRID, "mesh row=2\nsplit channels by row"),
    "copies of a grid": (GRID, "mesh copy=2\nsplit images by copy"),
}
FOUR_RANKS = {
    "copies of towers": (OVER_TOWER, "mesh copy=2 tower=2\nsplit images by copy\nsplit channels by tower"),
    "copies, normalised over all": (OVER_ALL, "mesh copy=2 tower=2\nsplit images by copy\nsplit channels by tower"),
    "the trick": (OVER_TOWER, "mesh gpu=4\nsplit images by gpu in conv1..conv5\nsplit channels by gpu in fc6..fc8"),
    "copies of the trick": (
        OVER_TOWER,
        "mesh copy=2 gpu=2\nsplit images by copy\n"
        "split images by gpu in conv1..conv5\nsplit channels by gpu in fc6..fc8",
    ),
    "copies, fc8 kept": (
        OVER_ALL,
        "mesh copy=2 tower=2\nsplit images by copy\nsplit channels by tower\nkeep fc8 on tower 1",
    ),
    "halves of towers": (
        OVER_TOWER,
        "mesh tower=2 part=2\nsplit channels by tower\nsplit channels by part",
    ),
    "copies of branches": (BRANCHES, "mesh copy=2 gpu=2\nsplit images by copy\nsplit channels by gpu"),
    "copies of the modern": (MODERN, "mesh copy=2 gpu=2\nsplit images by copy\nsplit channels by gpu"),
    "kept, of images that are read whole": (FAR, "mesh a=2 b=2\nsplit images by a in stem\nkeep stem on b 1"),
    "images twice": (BRANCHES, "mesh copy=2 gpu=2\nsplit images by copy\nsplit images by gpu"),
    "a grid of towers": (
        GRID,
        "mesh row=2 column=2\nsplit channels by row\nsplit channels by column\nkeep fc6 on row 0\nkeep fc6 on column 1",
    ),
    "halo of four": (OVER_ALL.replace("towers 2", "towers 4"), "mesh gpu=4\nsplit channels by gpu"),
}


@cache
def compiled(net: str, placement: str | None = None) -> dict[str, Any]:
    """The globals of the generated file; with a placement, the class of the whole network is the same as without."""
    checked = check_text(f"{net}\nplacement mesh_of {{\n{placement}\n}}\n" if placement else net, "net.net")
    assert checked.graph is not None, checked.diagnostics
    text = alone = write_pytorch(checked.graph, "net.net")
    if placement:
        text = write_pytorch(checked.graph, "net.net", checked.placed["mesh_of"])
        assert alone[alone.index("class Net(") :] in text
    return names_in(text)


def batches() -> list[tuple[Tensor, Tensor]]:
    draw = torch.Generator().manual_seed(SEED)
    sizes = (BATCH, 3, 35, 35)
    return [(torch.randn(sizes, generator=draw), torch.randint(0, 12, (BATCH,), generator=draw)) for _ in range(STEPS)]


def own_rows(mesh: Mesh, axes: tuple[str, ...], rows: Tensor) -> Tensor:
    index, count = mesh.share(axes)
    return rows.chunk(count)[index]


def trained(
    network: nn.Module, placement: Placement | None = None, mesh: Mesh | None = None, parts: int = 1
) -> list[float]:
    """Train the network; returns the part of each batch's mean loss that this device has.

    Each batch is cut into micro-batches, and the devices share every micro-batch.
    """
    network.reset_parameters(SEED)  # type: ignore[operator]
    network.train()
    optimizer = MomentumSGD(parameter_groups(network), lr=0.02, momentum=0.9, weight_decay=5e-3)
    sums = GradientSum(network, placement, mesh) if placement and mesh else None
    size = network.input_shape[-1]  # type: ignore[index]
    losses = []
    for step, (images, labels) in enumerate(batches()):
        optimizer.zero_grad(set_to_none=True)
        losses.append(0.0)
        cut = zip(images[..., :size, :size].chunk(parts), labels.chunk(parts), strict=True)
        for part, (shown, judged) in enumerate(cut):
            if placement and mesh:
                shown = own_rows(mesh, placement.images, shown)
                judged = own_rows(mesh, placement.loss, judged)
                if any(mesh[axis].index != device for axis, device in placement.loss_kept.items()):
                    judged = judged[:0]
            fix_masks(network, SEED, step, first=part * BATCH // parts)
            loss = F.cross_entropy(network(shown), judged, reduction="sum") / BATCH
            if sums:
                sums.begin(last=part == parts - 1)
            torch.autograd.backward(loss)
            losses[-1] += loss.item()
        if sums:
            sums.wait()
        clip_gradients(network, CLIPPED, Rank(mesh, placement) if mesh else alone())
        optimizer.step()
    return losses


@cache
def trained_alone(net: str, parts: int) -> tuple[Tensor, dict[str, Tensor]]:
    """The losses of the whole network when one process trains it, and its weights at the end."""
    network: nn.Module = compiled(net)["Net"]()
    return torch.tensor(trained(network, parts=parts)), network.state_dict()


def counts_once(placement: Placement, mesh: Mesh) -> bool:
    """Whether this device is the first of the devices that have the same part of the loss."""
    alike = [axis for axis in mesh.axes if axis.name not in (*placement.loss, *placement.loss_kept)]
    kept = all(mesh[axis].index == device for axis, device in placement.loss_kept.items())
    return kept and all(axis.index == 0 for axis in alike)


def check_placements(placements: dict[str, tuple[str, str]], parts: int = 1) -> None:
    """Train each placed network on all ranks, and compare it with the whole network trained by one process."""
    torch.set_default_dtype(torch.float64)
    for name, (net, text) in placements.items():
        made = compiled(net, text)
        placement: Placement = made["PLACEMENT"]
        mesh = make_mesh(placement.mesh, "cpu")
        network = made["NetMeshOf"](mesh)
        losses_here = torch.tensor(trained(network, placement, mesh, parts)) * counts_once(placement, mesh)
        dist.all_reduce(losses_here)
        weights = gather_tensors(network.state_dict(), placement, mesh)
        losses, reference = trained_alone(net, parts)
        assert (losses[0] - losses[-1]).abs() > 1e-3, f"{name}: it learns nothing"
        assert_equal(f"{name}: losses", losses_here, losses)
        assert weights.keys() == reference.keys(), name
        for key, value in reference.items():
            assert_equal(f"{name}: {key}", weights[key], value)


def assert_equal(what: str, here: Tensor, one_process: Tensor) -> None:
    torch.testing.assert_close(here, one_process, rtol=1e-12, atol=1e-12, msg=lambda why: f"{what}: {why}")


def test_on_two_ranks() -> None:
    run_ranks(2, check_placements, TWO_RANKS, timeout=300)


def test_on_four_ranks() -> None:
    run_ranks(4, check_placements, FOUR_RANKS, timeout=300)


def test_two_micro_batches_on_two_ranks() -> None:
    run_ranks(2, check_placements, TWO_RANKS, 2, timeout=300)


def test_two_micro_batches_on_four_ranks() -> None:
    run_ranks(4, check_placements, FOUR_RANKS, 2, timeout=300)
