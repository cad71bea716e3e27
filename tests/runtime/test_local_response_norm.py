"""The runtime's normalisation against torch's (whose alpha is divided by the size) and against finite differences."""

from __future__ import annotations

import itertools

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from alexc.runtime.kernels.sliced_norm import sliced_norm
from alexc.runtime.layers.local_response_norm import LocalResponseNorm
from alexc.runtime.layers.torch_only import local_response_norm

FORMATS = (torch.contiguous_format, torch.channels_last)
SIZES = (1, 2, 3, 4, 5, 7, 20)
BETAS = (0.75, 0.5, 1.0)


def torchs(x: Tensor, size: int, beta: float, towers: int) -> Tensor:
    parts = x.chunk(towers, 1)
    return torch.cat([F.local_response_norm(part, size, alpha=0.3 * size, beta=beta, k=2.0) for part in parts], 1)


@pytest.mark.parametrize(("size", "towers", "beta"), list(itertools.product(SIZES, (1, 2, 3), BETAS)))
def test_values_and_gradients_are_torchs(size: int, towers: int, beta: float) -> None:
    generator = torch.Generator().manual_seed(0)
    norm = LocalResponseNorm(size, alpha=0.3, beta=beta, k=2.0, towers=towers)
    for memory_format in FORMATS:
        x = torch.randn(3, 12, 4, 5, dtype=torch.float64, generator=generator).to(memory_format=memory_format)
        weight = torch.randn(3, 12, 4, 5, dtype=torch.float64, generator=generator)
        x.requires_grad_()
        expected = torchs(x, size, beta, towers)
        (expected_gradient,) = torch.autograd.grad((expected * weight).sum(), x)
        for made in (norm(x), sliced_norm(x, size, 0.3, beta, 2.0, towers)):
            (gradient,) = torch.autograd.grad((made * weight).sum(), x)
            torch.testing.assert_close(made, expected, rtol=1e-12, atol=1e-14)
            torch.testing.assert_close(gradient, expected_gradient, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("size", [2, 5])
def test_gradient_by_finite_differences(size: int) -> None:
    x = torch.randn(2, 6, 2, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1)).requires_grad_()
    assert torch.autograd.gradcheck(LocalResponseNorm(size, alpha=0.5, beta=0.75, k=1.0, towers=2), (x,))


@pytest.mark.parametrize("memory_format", FORMATS)
def test_second_derivatives_are_those_of_differences(memory_format: torch.memory_format) -> None:
    x = torch.randn(2, 6, 2, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    x = x.to(memory_format=memory_format).requires_grad_()
    assert torch.autograd.gradgradcheck(LocalResponseNorm(4, alpha=0.5, beta=0.75, k=1.0, towers=2), (x,))


def test_the_second_derivative_of_a_sum_is_torchs() -> None:
    """The gradient of a sum needs no gradient itself: torch then does not see that it will be differentiated."""
    x = torch.tensor([1.0, 2.0], dtype=torch.float64).view(1, 2, 1, 1).requires_grad_()
    for norm in (LocalResponseNorm(3, alpha=0.5, beta=0.75, k=1.0), torch.nn.LocalResponseNorm(3, 1.5, 0.75, 1.0)):
        (first,) = torch.autograd.grad(norm(x * x).sum(), x, create_graph=True)
        (second,) = torch.autograd.grad(first.sum(), x)
        assert second.flatten().tolist() == pytest.approx([-0.28462620725687793, 0.03788190528239005], rel=1e-12)


def test_any_tiling_gives_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.randn(7, 6, 3, 3, generator=torch.Generator().manual_seed(2)).requires_grad_()
    norm = LocalResponseNorm(5, alpha=1e-2, beta=0.75, k=2.0)
    results = []
    for values in (1, 100, 120, 10_000):
        monkeypatch.setattr(local_response_norm, "TILE_VALUES", values)
        y = norm(x)
        results.append((y, *torch.autograd.grad(y.square().sum(), x)))
    for y, gradient in results[1:]:
        assert torch.equal(y, results[0][0])
        assert torch.equal(gradient, results[0][1])


def test_a_window_of_a_million_maps_takes_no_more_than_there_are() -> None:
    x = torch.randn(2, 6, 3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(4)).requires_grad_()
    all_maps, million = (LocalResponseNorm(size, alpha=0.1, beta=0.75, k=2.0, towers=2)(x) for size in (5, 1_000_001))
    assert torch.equal(million, all_maps)
    assert torch.equal(torch.autograd.grad(million.sum(), x)[0], torch.autograd.grad(all_maps.sum(), x)[0])


def test_the_paper_takes_the_sum() -> None:
    x = torch.full((1, 5, 1, 1), 10.0, dtype=torch.float64)
    y = LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=2.0)(x)
    in_window = torch.tensor([3, 4, 5, 4, 3], dtype=torch.float64)
    torch.testing.assert_close(y.flatten(), 10 / (2 + 1e-4 * 100 * in_window) ** 0.75)


def test_bfloat16_is_computed_in_float32() -> None:
    x = torch.randn(2, 8, 3, 3, generator=torch.Generator().manual_seed(3)).bfloat16()
    norm = LocalResponseNorm(5, alpha=0.1, beta=0.75, k=2.0)
    assert norm(x).dtype == torch.bfloat16
    assert torch.equal(norm(x), norm(x.float()).bfloat16())


def test_no_images() -> None:
    norm = LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=2.0)
    assert norm(torch.empty(0, 8, 3, 3)).shape == (0, 8, 3, 3)
