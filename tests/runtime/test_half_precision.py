"""The runtime's layers in float16 and bfloat16 against float64, for values up to the largest of the type."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest
import torch
from torch import Tensor, nn

from alexc.runtime.kernels.sliced_norm import sliced_norm
from alexc.runtime.layers.local_response_norm import LocalResponseNorm
from alexc.runtime.layers.response_norm_within_map import ResponseNormWithinMap
from alexc.runtime.layers.shared_batch_norm import SharedBatchNorm2d

TYPES = (torch.float16, torch.bfloat16)
NORMS: dict[str, nn.Module] = {
    "across maps": LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=2.0, towers=2),
    "by a power": LocalResponseNorm(3, alpha=5e-5, beta=1.0, k=1.0),
    "within maps": ResponseNormWithinMap(3, alpha=1e-4, beta=0.75, k=1.0),
}


def up_to_the_largest(dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """(2, 8, 4, 4): values of all sizes, the largest among them; and a gradient of the same shape."""
    draw = torch.Generator().manual_seed(0)
    shape, largest = (2, 8, 4, 4), torch.finfo(dtype).max
    x = largest ** (2 * torch.rand(shape, dtype=torch.float64, generator=draw) - 1)
    x[0, :3] = largest
    x[0, 3, :2], x[1, 6, 1:] = -largest, largest
    return x.to(dtype), torch.randn(shape, generator=draw).to(dtype) * 3


def value_and_gradient(run: Callable[[Tensor], Tensor], x: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    x = x.detach().requires_grad_()
    y = run(x)
    assert y.dtype == x.dtype
    return y.detach(), torch.autograd.grad(y, x, weight)[0]


def assert_right(norm: nn.Module, made: Iterable[Tensor], x: Tensor, weight: Tensor) -> None:
    """Each result is right to one unit of its type, or to 1e-6 where a square overflows even float32."""
    for here, expected in zip(made, value_and_gradient(norm, x.double(), weight.double()), strict=True):
        torch.testing.assert_close(here.double(), expected, rtol=torch.finfo(x.dtype).eps, atol=1e-6)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("name", NORMS)
def test_the_largest_values_are_normalised_right(name: str, dtype: torch.dtype) -> None:
    norm, (x, weight) = NORMS[name], up_to_the_largest(dtype)
    assert_right(norm, value_and_gradient(norm, x, weight), x, weight)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("name", ["across maps", "by a power"])
def test_the_largest_values_are_normalised_right_as_on_a_gpu(name: str, dtype: torch.dtype) -> None:
    norm, (x, weight) = NORMS[name], up_to_the_largest(dtype)
    assert isinstance(norm, LocalResponseNorm)
    settings = norm.size, norm.alpha, norm.beta, norm.k, norm.towers
    made = value_and_gradient(lambda x: sliced_norm(x, *settings), x, weight)
    assert_right(norm, made, x, weight)


@pytest.mark.slow
@pytest.mark.parametrize("name", NORMS)
def test_the_largest_values_are_normalised_right_when_compiled(name: str) -> None:
    """The graphs are those of `--compile`; this backend runs them without a C++ compiler."""
    norm = NORMS[name]
    for x, weight in map(up_to_the_largest, TYPES):
        compiled = torch.compile(norm, backend="aot_eager", dynamic=False)
        assert_right(norm, value_and_gradient(compiled, x, weight), x, weight)


@pytest.mark.parametrize("dtype", TYPES)
def test_batch_normalisation_of_a_mesh_is_torchs(dtype: torch.dtype) -> None:
    """The variance is over 65,504, the largest value of float16."""
    x = torch.randn(8, 3, 4, 4, generator=torch.Generator().manual_seed(0)).mul(500).add(100).to(dtype)
    weight = torch.randn(8, 3, 4, 4, generator=torch.Generator().manual_seed(1)).to(dtype)
    shared, torchs = SharedBatchNorm2d(3, images=()), nn.BatchNorm2d(3)
    for here, expected in zip(*(value_and_gradient(each, x, weight) for each in (shared, torchs)), strict=True):
        torch.testing.assert_close(here, expected)
    torch.testing.assert_close(shared.running_var, torchs.running_var)
