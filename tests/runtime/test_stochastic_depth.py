"""Stochastic depth: whole images are dropped, by masks that depend on seed, step, layer and image alone."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from alexc.runtime.layers.dropout import fix_masks
from alexc.runtime.layers.stochastic_depth import StochasticDepth
from alexc.runtime.parallel.mesh import Axis


@pytest.mark.parametrize("sizes", [(1000,), (1000, 3), (1000, 2, 3, 1)])
def test_whole_images_are_dropped_and_the_others_scaled_as_torchvision_does(sizes: tuple[int, ...]) -> None:
    x = torch.rand(sizes) + 1
    torch.manual_seed(0)
    made = StochasticDepth(0.2, scale="train")(x)
    kept = made.flatten(1).ne(0).all(1) if len(sizes) > 1 else made.ne(0)
    assert torch.equal(made[kept], x[kept] / (1 - 0.2))
    assert not made[~kept].any()
    assert abs(kept.double().mean().item() - 0.8) < 0.04  # 3 standard deviations of the mean of 1000
    assert torch.equal(StochasticDepth(0.2, scale="train").eval()(x), x)


def test_scaled_at_test_as_in_the_paper() -> None:
    layer, x = StochasticDepth(0.25, scale="test"), torch.rand(64, 2, 3, 3) + 1
    made = layer(x)
    assert torch.equal(made[made != 0], x[made != 0])
    assert torch.equal(layer.eval()(x), x * 0.75)


@pytest.mark.parametrize("copies", [1, 2])
@pytest.mark.parametrize("sizes", [(32,), (16, 16), (8, 16, 8), (24, 8)])
def test_micro_batches_and_devices_drop_the_images_of_the_whole_batch(sizes: tuple[int, ...], copies: int) -> None:
    def dropped(x: Tensor, first: int, copy: int, of: int, step: int = 7) -> Tensor:
        axes = [Axis("copy", of, copy, None)]
        network = nn.Sequential(StochasticDepth(0.5, "train", axes), StochasticDepth(0.25, "test", axes))
        fix_masks(network, 3, step, first)
        made = network(x)
        assert isinstance(made, Tensor)
        return made

    x = torch.rand(32, 4, 5, generator=torch.Generator().manual_seed(0)) + 1
    whole = dropped(x, 0, 0, 1)
    made, first = [], 0
    for part in torch.split(x, list(sizes)):
        made += [dropped(own, first, copy, copies) for copy, own in enumerate(part.chunk(copies))]
        first += len(part)
    assert torch.equal(torch.cat(made), whole)
    assert torch.equal(dropped(x[:, :2], 0, 0, 1), whole[:, :2])  # a device that has a half of the channels
    assert not torch.equal(dropped(x, 0, 0, 1, step=8), whole)


def test_neighbouring_images_and_layers_are_dropped_independently() -> None:
    network = nn.ModuleList(StochasticDepth(0.5, "test") for _ in range(32))
    fix_masks(network, 0, 0)
    masks = torch.stack([layer(torch.ones(512, 1)).flatten() for layer in network]) - 0.5
    for rows in (masks, masks.T[:32]):
        correlation = rows @ rows.T / (0.25 * rows.shape[1])
        correlation.fill_diagonal_(0)
        assert correlation.abs().max() < 6 / rows.shape[1] ** 0.5
