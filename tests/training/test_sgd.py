"""The update rule against Python floats and against torch.optim.SGD."""

from __future__ import annotations

from typing import ClassVar

import pytest
import torch
from torch import nn

from alexc.runtime.training.base_optimizer import parameter_groups
from alexc.runtime.training.sgd import Form, MomentumSGD

RATES = (0.01, 0.01, 0.01, 0.001, 0.001, 0.0001)
MOMENTUM, DECAY = 0.9, 0.0005


def gradients(seed: int, shape: tuple[int, ...]) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator, dtype=torch.float64) for _ in RATES]


def run(optimizer: torch.optim.Optimizer, weight: nn.Parameter, steps: int) -> None:
    for rate, gradient in list(zip(RATES, gradients(1, tuple(weight.shape)), strict=True))[:steps]:
        for group in optimizer.param_groups:
            group["lr"] = rate
        weight.grad = gradient.clone()
        optimizer.step()


def paper(start: list[float], steps: int, momentum: float) -> list[float]:
    """The two equations of section 5, computed one number at a time."""
    result = []
    for i, w in enumerate(start):
        v = 0.0
        for rate, gradient in list(zip(RATES, gradients(1, (len(start),)), strict=True))[:steps]:
            v = momentum * v - DECAY * rate * w - rate * float(gradient[i])
            w = w + v
        result.append(w)
    return result


@pytest.mark.parametrize("momentum", [MOMENTUM, 0.0])
@pytest.mark.parametrize("steps", [1, 3, len(RATES)])
def test_follows_the_rule_of_the_paper(steps: int, momentum: float) -> None:
    weight = nn.Parameter(torch.linspace(-3, 3, 17, dtype=torch.float64))
    expected = torch.tensor(paper(weight.tolist(), steps, momentum), dtype=torch.float64)
    run(MomentumSGD([weight], lr=RATES[0], momentum=momentum, weight_decay=DECAY), weight, steps)
    torch.testing.assert_close(weight.detach(), expected, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(("steps", "same"), [(3, True), (4, False)])
def test_agrees_with_torch_until_the_rate_changes(steps: int, same: bool) -> None:
    start = torch.linspace(-3, 3, 17, dtype=torch.float64)
    ours, torchs = nn.Parameter(start.clone()), nn.Parameter(start.clone())
    run(MomentumSGD([ours], lr=RATES[0], momentum=MOMENTUM, weight_decay=DECAY), ours, steps)
    run(torch.optim.SGD([torchs], lr=RATES[0], momentum=MOMENTUM, weight_decay=DECAY), torchs, steps)
    assert torch.allclose(ours, torchs, rtol=1e-12, atol=1e-13) is same
    if not same:  # the velocity from before the change still has the size of the old rate
        assert (ours - torchs).abs().max() > 1e-4


def test_layouts_in_memory_do_not_matter() -> None:
    start = torch.randn(4, 3, 5, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    plain, last = nn.Parameter(start.clone()), nn.Parameter(start.clone(memory_format=torch.channels_last))
    run(MomentumSGD([plain], lr=RATES[0], momentum=MOMENTUM, weight_decay=DECAY), plain, len(RATES))
    run(MomentumSGD([last], lr=RATES[0], momentum=MOMENTUM, weight_decay=DECAY), last, len(RATES))
    assert last.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(plain, last, rtol=1e-13, atol=0)


def test_a_loaded_velocity_takes_the_layout_of_its_weight() -> None:
    """The fused kernel would pair each value of the weight with the velocity of another one."""
    start = torch.randn(4, 3, 5, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    plain = nn.Parameter(start)
    first = MomentumSGD([plain], lr=RATES[0], momentum=MOMENTUM, weight_decay=DECAY)
    run(first, plain, 3)
    last = nn.Parameter(plain.detach().clone(memory_format=torch.channels_last))
    second = MomentumSGD([last], lr=RATES[0], momentum=MOMENTUM, weight_decay=DECAY)
    second.load_state_dict(first.state_dict())
    run(first, plain, 3)
    run(second, last, 3)
    assert last.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(plain, last, rtol=1e-13, atol=0)


def test_a_weight_without_a_gradient_stays() -> None:
    moved, unused = nn.Parameter(torch.ones(3)), nn.Parameter(torch.ones(3))
    optimizer = MomentumSGD([moved, unused], lr=0.1, momentum=0.9, weight_decay=0.1)
    moved.grad = torch.ones(3)
    optimizer.step()
    assert unused.tolist() == [1, 1, 1]
    assert moved.tolist() == pytest.approx([1 - 0.1 * (1 + 0.1 * 1)] * 3)
    assert optimizer.state_dict()["state"][1]["velocity"].tolist() == [0, 0, 0]


class Multiplied(nn.Module):
    """Two parameters, one with multipliers of rate and decay, as a compiled network gives them."""

    multipliers: ClassVar[dict[str, tuple[float, float]]] = {"bias": (2.0, 0.5)}

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.linspace(-1, 1, 5, dtype=torch.float64))
        self.bias = nn.Parameter(torch.linspace(-1, 1, 5, dtype=torch.float64))


@pytest.mark.parametrize("momentum", [MOMENTUM, 0.0])
def test_multipliers_change_the_rate_and_the_decay_of_a_parameter(momentum: float) -> None:
    network, twin = Multiplied(), Multiplied()
    optimizer = MomentumSGD(parameter_groups(network), lr=RATES[0], momentum=momentum, weight_decay=DECAY)
    plain = MomentumSGD([twin.weight], lr=RATES[0], momentum=momentum, weight_decay=DECAY)
    own = MomentumSGD([twin.bias], lr=2 * RATES[0], momentum=momentum, weight_decay=DECAY / 2)
    for rate, gradient in zip(RATES, gradients(3, (5,)), strict=True):
        for each in (network.weight, network.bias, twin.weight, twin.bias):
            each.grad = gradient.clone()
        optimizer.rate, plain.rate, own.rate = rate, rate, 2 * rate
        for each_optimizer in (optimizer, plain, own):
            each_optimizer.step()
    assert torch.equal(network.weight, twin.weight)
    assert torch.equal(network.bias, twin.bias)
    assert not torch.equal(network.weight, network.bias)
    assert [list(state) for state in optimizer.state_dict()["state"].values()] == [["velocity"]] * 2


@pytest.mark.parametrize(("form", "nesterov"), [("torch", False), ("nesterov", True)])
def test_the_forms_of_torch_equal_torch(form: Form, nesterov: bool) -> None:
    ours, theirs = (nn.Parameter(torch.linspace(-1, 1, 5, dtype=torch.float64)) for _ in range(2))
    optimizer = MomentumSGD([ours], RATES[0], MOMENTUM, DECAY, form)
    torchs = torch.optim.SGD([theirs], RATES[0], MOMENTUM, weight_decay=DECAY, nesterov=nesterov)
    for rate, gradient in zip(RATES, gradients(3, (5,)), strict=True):
        ours.grad, theirs.grad = gradient.clone(), gradient.clone()
        optimizer.rate = torchs.param_groups[0]["lr"] = rate
        optimizer.step()
        torchs.step()
    torch.testing.assert_close(ours, theirs, rtol=1e-13, atol=0)
