"""The runtime's grouped linear layer, dropout and initial values, against torch's own."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from alexc.runtime.layers.dropout import Dropout, fix_masks, keep_mask
from alexc.runtime.layers.grouped_linear import GroupedLinear
from alexc.runtime.layers.initial_values import Constant, Kaiming, LeCun, Normal, Uniform, Xavier, initialise
from alexc.runtime.layers.local_convolution import LocalConv2d
from alexc.runtime.parallel.mesh import Axis

CPU = torch.device("cpu")


@pytest.mark.parametrize("bias", [True, False])
def test_grouped_linear_is_linear_layers_side_by_side(bias: bool) -> None:
    layer = GroupedLinear(12, 6, groups=3, bias=bias).double()
    x = torch.randn(5, 12, dtype=torch.float64, requires_grad=True)
    apart = []
    for group in range(3):
        alone = nn.Linear(4, 2, bias=bias).double()
        alone.weight.data = layer.weight.detach()[2 * group : 2 * group + 2]
        if layer.bias is not None:
            layer.bias.data.normal_()
            alone.bias.data = layer.bias.detach()[2 * group : 2 * group + 2]
        apart.append(alone)
    expected = torch.cat([alone(part) for alone, part in zip(apart, x.chunk(3, 1), strict=True)], 1)
    torch.testing.assert_close(layer(x), expected)
    (gradient,) = torch.autograd.grad(layer(x).square().sum(), x)
    torch.testing.assert_close(gradient, torch.autograd.grad(expected.square().sum(), x)[0])


def test_grouped_linear_is_the_grouped_convolution() -> None:
    layer, twin = GroupedLinear(8, 4, groups=2), nn.Conv2d(8, 4, kernel_size=1, groups=2)
    twin.weight.data = layer.weight.detach()[:, :, None, None]
    assert twin.bias is not None
    twin.bias.data.zero_()
    x = torch.randn(3, 8)
    torch.testing.assert_close(layer(x), twin(x[:, :, None, None]).flatten(1))


def test_uneven_groups_are_refused() -> None:
    with pytest.raises(ValueError, match="evenly"):
        GroupedLinear(7, 4, groups=2)


@pytest.mark.parametrize("p", [0.0, 0.25, 0.5])
def test_dropout_scaled_at_test_keeps_values_in_training(p: float) -> None:
    layer = Dropout(p, scale="test")
    x = torch.rand(64, 1000) + 1
    y = layer(x)
    assert torch.equal(y[y != 0], x[y != 0])
    assert abs((y == 0).double().mean().item() - p) < 0.01
    assert torch.equal(layer.eval()(x), x * (1 - p))


@pytest.mark.parametrize("p", [0.25, 0.5])
def test_dropout_scaled_in_training_is_torchs(p: float) -> None:
    layer = Dropout(p, scale="train")
    x = torch.rand(64, 1000) + 1
    y = layer(x)
    torch.testing.assert_close(y[y != 0], (x / (1 - p))[y != 0])
    assert abs((y == 0).double().mean().item() - p) < 0.01
    assert torch.equal(layer.eval()(x), x)


def test_without_fixed_masks_torchs_generator_decides() -> None:
    layer, x = Dropout(0.5, scale="test"), torch.ones(4, 100)
    torch.manual_seed(1)
    first, second = layer(x), layer(x)
    torch.manual_seed(1)
    assert torch.equal(layer(x), first)
    assert not torch.equal(first, second)


def test_fixed_masks_depend_on_seed_step_and_layer_alone() -> None:
    network = nn.Sequential(Dropout(0.5, "test"), nn.Sequential(Dropout(0.5, "test")))

    def keys(seed: int, step: int) -> tuple[int | None, ...]:
        fix_masks(network, seed, step)
        return tuple(
            int(module.key) for module in network.modules() if isinstance(module, Dropout) and module.key is not None
        )

    assert keys(0, 5) == keys(0, 5)
    assert len({*keys(0, 5), *keys(0, 6), *keys(1, 5)}) == 6


@pytest.mark.parametrize("copies", [1, 2])
@pytest.mark.parametrize("sizes", [(8,), (4, 4), (2, 4, 2), (6, 2)])
def test_micro_batches_and_copies_have_the_masks_of_the_whole_batch(sizes: tuple[int, ...], copies: int) -> None:
    def dropped(x: torch.Tensor, first: int, copy: int, of: int) -> torch.Tensor:
        axes = [Axis("copy", of, copy, None)]
        network = nn.Sequential(Dropout(0.5, "test", images=axes), Dropout(0.25, "train", images=axes))
        fix_masks(network, 3, 7, first)
        made = network(x)
        assert isinstance(made, torch.Tensor)
        return made

    x = torch.rand(8, 3, 5, generator=torch.Generator().manual_seed(0))
    made, first = [], 0
    for part in torch.split(x, list(sizes)):
        made += [dropped(own, first, copy, copies) for copy, own in enumerate(part.chunk(copies))]
        first += len(part)
    assert torch.equal(torch.cat(made), dropped(x, 0, 0, 1))


def test_no_images() -> None:
    assert Dropout(0.5, "test")(torch.empty(0, 3, 4)).shape == (0, 3, 4)


def test_a_mask_is_that_of_its_place() -> None:
    whole = keep_mask(7, 32, 64, 0.5, CPU)
    assert torch.equal(keep_mask(7, 8, 16, 0.5, CPU), whole[:8, :16])


def test_masks_of_images_and_of_units_do_not_resemble_each_other() -> None:
    mask = keep_mask(3, 512, 512, 0.5, CPU).double() - 0.5
    for product in (mask @ mask.T, mask.T @ mask):
        correlation = product / (0.25 * 512)
        correlation.fill_diagonal_(0)
        assert correlation.abs().max() < 6 / math.sqrt(512)


def drawn(start: Normal | Uniform | Constant | Xavier | Kaiming | LeCun, seed: int | None = 0) -> torch.Tensor:
    layer = nn.Linear(400, 300)
    initialise(layer, "layer", seed, weight=start, bias=0.5)
    assert torch.equal(layer.bias, torch.full((300,), 0.5))
    return layer.weight.detach()


@pytest.mark.parametrize(
    ("start", "mean", "std"),
    [
        (Normal(0.5, 0.01), 0.5, 0.01),
        (Uniform(-1.0, 3.0), 1.0, 4 / math.sqrt(12)),
        (Constant(2.0), 2.0, 0.0),
        (Xavier(), 0.0, math.sqrt(2 / 700)),
        (Xavier(gain=3.0), 0.0, 3 * math.sqrt(2 / 700)),
        (LeCun(), 0.0, math.sqrt(1 / 400)),
        (LeCun(gain=2.0), 0.0, 2 * math.sqrt(1 / 400)),
        (Kaiming(), 0.0, math.sqrt(2 / 400)),
    ],
)
def test_distributions(start: Normal | Uniform | Constant | Xavier | Kaiming | LeCun, mean: float, std: float) -> None:
    weight = drawn(start).double()
    assert abs(weight.mean().item() - mean) < 5 * std / math.sqrt(weight.numel()) + 1e-12
    assert abs(weight.std().item() - std) < 0.02 * std + 1e-12


@pytest.mark.parametrize(
    ("layer", "fan_in", "fan_out"),
    [
        (nn.Conv2d(16, 64, 3, groups=4), 4 * 9, 64 * 9),
        (GroupedLinear(64, 128, groups=4), 16, 128),
        (LocalConv2d(16, 8, (6, 6), 3), 16 * 9, 8 * 9),
        (LocalConv2d(16, 8, (16, 12), 3), 16 * 9, 8 * 9),
        (LocalConv2d(16, 8, (6, 6), 3, groups=2), 8 * 9, 8 * 9),
    ],
)
@pytest.mark.parametrize("seed", [None, 0])
def test_fans_count_no_places_and_all_groups(
    layer: nn.Conv2d | GroupedLinear | LocalConv2d, fan_in: int, fan_out: int, seed: int | None
) -> None:
    torch.manual_seed(0)
    for shares in (1, 2):  # a device of two has half of a layer with twice the kernels
        initialise(layer, "layer", seed, [Axis("tower", shares, 0, None)], weight=Xavier(), bias=0.0)
        expected = math.sqrt(2 / (fan_in + shares * fan_out))
        assert abs(layer.weight.std().item() / expected - 1) < 4 / math.sqrt(layer.weight.numel())


@pytest.mark.parametrize("layer", [nn.Conv2d(16, 64, 3, groups=4), nn.Linear(30, 20)])
def test_xavier_draws_what_torch_draws(layer: nn.Conv2d | nn.Linear) -> None:
    torch.manual_seed(1)
    initialise(layer, "layer", None, weight=Xavier(0.7), bias=0.0)
    torch.manual_seed(1)
    assert torch.equal(layer.weight, nn.init.xavier_normal_(torch.empty_like(layer.weight), 0.7))


def test_lecun_is_even() -> None:
    weight = drawn(LeCun()).double()
    bound = math.sqrt(3 / 400)
    assert 0.999 * bound < weight.abs().max() <= bound * (1 + 1e-6)


def test_a_seeded_weight_depends_on_seed_and_name_alone() -> None:
    start = Normal(0.0, 1.0)
    torch.manual_seed(1)
    first = drawn(start, seed=3)
    torch.manual_seed(2)
    assert torch.equal(drawn(start, seed=3), first)
    assert not torch.equal(drawn(start, seed=4), first)


def test_without_a_seed_torchs_generator_decides() -> None:
    torch.manual_seed(1)
    first = drawn(Kaiming(), seed=None)
    assert not torch.equal(drawn(Kaiming(), seed=None), first)
    torch.manual_seed(1)
    assert torch.equal(drawn(Kaiming(), seed=None), first)


def test_nothing_is_drawn_on_the_meta_device() -> None:
    with torch.device("meta"):
        layer = nn.Linear(4, 3)
    initialise(layer, "layer", 0, weight=Kaiming(), bias=0.0)
    assert layer.weight.is_meta
