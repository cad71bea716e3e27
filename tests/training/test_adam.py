"""Adam and AdamW against torch's own, with one group and with multipliers."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from alexc.runtime import recipes
from alexc.runtime.training.adam import AdaptiveMoments
from alexc.runtime.training.base_optimizer import parameter_groups
from tests.training.test_sgd import Multiplied

RATES = (0.01, 0.01, 0.003, 0.001)
RULES = (
    recipes.Adam(0.01, beta1=0.8, beta2=0.99, eps=1e-6, weight_decay=0.1),
    recipes.AdamW(0.01, beta1=0.8, beta2=0.99, eps=1e-6, weight_decay=0.1),
)


def gradients() -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    return [torch.randn(5, generator=generator, dtype=torch.float64) for _ in RATES]


def by_hand(rule: recipes.Adam | recipes.AdamW, rate_multiplier: float, decay_multiplier: float) -> torch.Tensor:
    """The equations of the docstrings of the recipe, in float64."""
    w, decay = torch.linspace(-1, 1, 5, dtype=torch.float64), rule.weight_decay * decay_multiplier
    m, v = torch.zeros_like(w), torch.zeros_like(w)
    for t, (rate, g) in enumerate(zip(RATES, gradients(), strict=True), 1):
        lr = rate * rate_multiplier
        if isinstance(rule, recipes.Adam):
            g = g + decay * w
        else:
            w = w - lr * decay * w
        m = rule.beta1 * m + (1 - rule.beta1) * g
        v = rule.beta2 * v + (1 - rule.beta2) * g * g
        w = w - lr * (m / (1 - rule.beta1**t)) / ((v / (1 - rule.beta2**t)).sqrt() + rule.eps)
    return w


def advance(optimizer: AdaptiveMoments, network: Multiplied, steps: slice) -> None:
    for rate, gradient in list(zip(RATES, gradients(), strict=True))[steps]:
        network.weight.grad, network.bias.grad = gradient.clone(), gradient.clone()
        optimizer.rate = rate
        optimizer.step()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: type(rule).__name__)
def test_follows_the_equations_with_multipliers(rule: recipes.Adam | recipes.AdamW) -> None:
    network = Multiplied()
    advance(AdaptiveMoments(parameter_groups(network), rule), network, slice(None))
    torch.testing.assert_close(network.weight.detach(), by_hand(rule, 1, 1), rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(network.bias.detach(), by_hand(rule, 2, 0.5), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize(("rule", "torchs"), [(RULES[0], torch.optim.Adam), (RULES[1], torch.optim.AdamW)])
def test_equals_torch(rule: recipes.Adam | recipes.AdamW, torchs: type[torch.optim.Adam], fused: bool) -> None:
    ours, theirs = Multiplied(), nn.Parameter(torch.linspace(-1, 1, 5, dtype=torch.float64))
    advance(AdaptiveMoments(parameter_groups(ours), rule), ours, slice(None))
    optimizer = torchs([theirs], rule.lr, (rule.beta1, rule.beta2), rule.eps, rule.weight_decay, fused=fused)
    for rate, gradient in zip(RATES, gradients(), strict=True):
        theirs.grad, optimizer.param_groups[0]["lr"] = gradient.clone(), rate
        optimizer.step()
    if fused:
        assert torch.equal(ours.weight, theirs)
    torch.testing.assert_close(ours.weight, theirs, rtol=1e-14, atol=1e-15)


def test_layouts_in_memory_do_not_matter() -> None:
    start, gradient = torch.randn(2, 8, 3, 5, 5, generator=torch.Generator().manual_seed(0))
    moved = []
    for weight_format in (torch.contiguous_format, torch.channels_last):
        for gradient_format in (torch.contiguous_format, torch.channels_last):
            layer = nn.Conv2d(3, 8, 5, bias=False)
            layer.weight = nn.Parameter(start.clone(memory_format=weight_format))
            layer.weight.grad = gradient.clone(memory_format=gradient_format)
            AdaptiveMoments(parameter_groups(layer), RULES[0]).step()
            assert layer.weight.is_contiguous(memory_format=weight_format)
            moved.append(layer.weight.detach())
    for each in moved[1:]:
        torch.testing.assert_close(each, moved[0], rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: type(rule).__name__)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_step_that_must_not_happen_changes_nothing(rule: recipes.Adam | recipes.AdamW, dtype: torch.dtype) -> None:
    network = Multiplied().to(dtype)
    optimizer = AdaptiveMoments(parameter_groups(network), rule)
    for parameter in network.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.found_inf = torch.tensor(0.0)
    optimizer.step()
    before = copy.deepcopy((network.state_dict(), optimizer.state_dict()))
    network.weight.grad = torch.full_like(network.weight, torch.nan)
    optimizer.found_inf = torch.tensor(1.0)
    optimizer.step()
    torch.testing.assert_close((network.state_dict(), optimizer.state_dict()), before, rtol=0, atol=0)
    optimizer.found_inf = None
    optimizer.step()
    assert network.weight.isnan().all()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: type(rule).__name__)
def test_continues_from_the_state_of_another_optimiser(rule: recipes.Adam | recipes.AdamW) -> None:
    whole, begun, rest = Multiplied(), Multiplied(), Multiplied()
    advance(AdaptiveMoments(parameter_groups(whole), rule), whole, slice(None))
    first, second = (AdaptiveMoments(parameter_groups(each), rule) for each in (begun, rest))
    advance(first, begun, slice(2))
    rest.load_state_dict(begun.state_dict())
    second.load_state_dict(first.state_dict())
    advance(second, rest, slice(2, None))
    assert torch.equal(rest.weight, whole.weight)
    assert torch.equal(rest.bias, whole.bias)
