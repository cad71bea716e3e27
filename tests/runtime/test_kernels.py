"""The kernels for GPUs against float64: on a GPU if there is one, else in Triton's interpreter, on the CPU."""

from __future__ import annotations

import importlib

import pytest
import torch
from torch import Tensor

from alexc.runtime.kernels.sliced_norm import sliced_norm
from alexc.runtime.layers.dropout import keep_mask

pytest.importorskip("triton")
with pytest.MonkeyPatch.context() as patch:
    if not torch.cuda.is_available():
        patch.setenv("TRITON_INTERPRET", "1")  # Triton reads it when a kernel is defined
    keep_mask_on_gpu = importlib.import_module("alexc.runtime.kernels.keep_mask").keep_mask_on_gpu
    kernel = importlib.import_module("alexc.runtime.kernels.response_norm")

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
TOLERANCE = {torch.float32: 5e-7, torch.float16: 5e-4, torch.bfloat16: 4e-3}  # of the norm: twice a rounding
# (shape, size, towers, beta)
NORMS = [
    ((2, 12, 5, 7), 5, 2, 0.75),
    ((3, 10, 4, 3), 4, 1, 0.5),
    ((2, 9, 3, 3), 1_000_001, 3, 1.0),
    ((1, 40, 3, 5), 31, 1, 0.75),
    ((1, 96, 1, 1), 5, 2, 1.3),
]


def distance(made: Tensor, expected: Tensor) -> float:
    return float((made.double().cpu() - expected).norm() / expected.norm())


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize(("shape", "size", "towers", "beta"), NORMS)
def test_normalisation_is_that_of_float64(
    shape: tuple[int, ...], size: int, towers: int, beta: float, dtype: torch.dtype, memory_format: torch.memory_format
) -> None:
    draw = torch.Generator().manual_seed(0)
    x = (10 * torch.randn(shape, generator=draw)).to(dtype)
    gradient = torch.randn(shape, generator=draw).to(dtype)
    wide = x.double().requires_grad_()
    expected = sliced_norm(wide, size, 0.01, beta, 2.0, towers)
    (expected_gradient,) = torch.autograd.grad(expected, wide, gradient.double())

    shown = x.to(DEVICE, memory_format=memory_format)
    made = kernel.normalise(shown, size, 0.01, beta, 2.0, towers)
    made_gradient = kernel.differentiate(gradient.to(DEVICE), shown, size, 0.01, beta, 2.0, towers)

    assert made.dtype == dtype
    assert made.stride() == shown.stride()
    assert distance(made, expected.detach()) < TOLERANCE[dtype]
    assert distance(made_gradient, expected_gradient) < TOLERANCE[dtype]


@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning")  # of numpy, in the interpreter
def test_a_sum_that_overflows_normalises_to_zero() -> None:
    x = torch.full((1, 4, 1, 1), 1e30, device=DEVICE)
    made = kernel.normalise(x, 3, 1.0, 0.75, 1.0, 1)
    gradient = kernel.differentiate(torch.ones_like(x), x, 3, 1.0, 0.75, 1.0, 1)
    assert made.flatten().tolist() == [0.0] * 4
    assert gradient.flatten().tolist() == [0.0] * 4


def test_the_operation_for_torch_compile_has_the_same_values_and_gradients() -> None:
    x = torch.randn(2, 6, 2, 3, generator=torch.Generator().manual_seed(1)).to(DEVICE).requires_grad_()
    settings = 4, 0.5, 0.75, 1.0, 2
    made = kernel.response_norm(x, *settings)
    (gradient,) = torch.autograd.grad(made.sum(), x)
    assert torch.equal(made, kernel.normalise(x.detach(), *settings))
    assert torch.equal(gradient, kernel.differentiate(torch.ones_like(made), x.detach(), *settings))


@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning")  # of numpy, in the interpreter
@pytest.mark.parametrize("key", [0, 2**31 - 1, 2**32 + 5])
@pytest.mark.parametrize("p", [0.0, 0.1, 0.5])
def test_a_dropout_mask_has_the_same_bits(key: int, p: float) -> None:
    made = keep_mask_on_gpu(torch.tensor(key, device=DEVICE), 7, 301, int(p * 2**32), (5, 300))
    assert torch.equal(made.cpu(), keep_mask(key, 7, 301, p, torch.device("cpu"), (5, 300)))
