"""The kernels for GPUs against float64: on a GPU if there is one, else in Triton's interpreter, on the CPU."""

from __future__ import annotations

import importlib
import json
import math
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor

from alexc.runtime.kernels.sliced_norm import sliced_norm
from alexc.runtime.layers import local_response_norm
from alexc.runtime.layers.dropout import keep_mask
from tests.support.commands import Command

triton = pytest.importorskip("triton")
with pytest.MonkeyPatch.context() as patch:
    if not torch.cuda.is_available():
        patch.setenv("TRITON_INTERPRET", "1")  # Triton reads it when a kernel is defined
    keep_mask_on_gpu = importlib.import_module("alexc.runtime.kernels.keep_mask").keep_mask_on_gpu
    kernel = importlib.import_module("alexc.runtime.kernels.response_norm")

ROOT = Path(__file__).parents[2]
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
TOLERANCE = {torch.float32: 5e-7, torch.float16: 5e-4, torch.bfloat16: 4e-3}  # of the norm: twice a rounding
# (shape, size, towers, beta)
NORMS = [
    ((2, 12, 5, 7), 5, 2, 0.75),
    ((3, 10, 4, 3), 4, 1, 0.5),
    ((2, 9, 3, 3), 1_000_001, 3, 1.0),
    ((1, 40, 3, 5), 31, 1, 0.75),
    ((1, 96, 1, 1), 5, 2, 1.3),
    ((1, 48, 1, 2), 9, 2, 0.75),  # the pieces next to a thread's are needed as a whole
    ((1, 16, 9, 17), 6, 1, 0.75),  # more positions than a program computes
    ((1, 34, 2, 1), 17, 1, 0.75),  # the largest window that the layer leaves to a kernel
    ((1, 4104, 1, 1), 5, 1, 0.75),
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


@pytest.mark.parametrize(("size", "maps", "by_kernel"), [(17, 24, True), (18, 24, False), (1001, 9, True)])
def test_wide_windows_are_left_to_torch(size: int, maps: int, by_kernel: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_response_norm, "kernels_run_on", lambda _: True)
    monkeypatch.setattr(local_response_norm._KernelNorm, "apply", lambda *_: "by a kernel")
    made = local_response_norm.LocalResponseNorm(size, 0.1, 0.75, 2.0)(torch.randn(1, maps, 2, 2))
    assert isinstance(made, str) == by_kernel


@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning")  # of numpy, in the interpreter
def test_a_sum_that_overflows_normalises_to_zero() -> None:
    x = torch.full((1, 4, 1, 1), 1e30, device=DEVICE)
    made = kernel.normalise(x, 3, 1.0, 0.75, 1.0, 1)
    gradient = kernel.differentiate(torch.ones_like(x), x, 3, 1.0, 0.75, 1.0, 1)
    assert made.flatten().tolist() == [0.0] * 4
    assert gradient.flatten().tolist() == [0.0] * 4


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")  # of numpy, in the interpreter
@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_what_is_not_finite_stays_in_the_windows_with_it(memory_format: torch.memory_format, bad: float) -> None:
    x = torch.randn(1, 24, 2, 2, generator=torch.Generator().manual_seed(2))
    x[0, 5, 0, 1] = bad
    wide = x.double().requires_grad_()
    expected = sliced_norm(wide, 5, 0.1, 0.75, 1.0, 2)
    (expected_gradient,) = torch.autograd.grad(expected.sum(), wide)

    shown = x.to(DEVICE, memory_format=memory_format)
    made = kernel.normalise(shown, 5, 0.1, 0.75, 1.0, 2)
    gradient = kernel.differentiate(torch.ones_like(shown), shown, 5, 0.1, 0.75, 1.0, 2)

    same = partial(torch.testing.assert_close, rtol=1e-5, atol=1e-6, equal_nan=True, check_dtype=False)
    same(made.cpu(), expected.detach())
    same(gradient.cpu(), expected_gradient)


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


@pytest.mark.slow
def test_every_kernel_compiles_for_gpus_that_are_not_here() -> None:
    tools = Path(triton.__file__).parent / "backends" / "nvidia" / "bin"
    if not all((tools / name).exists() for name in ("ptxas", "cuobjdump")):
        pytest.skip("this package of Triton has no compiler for NVIDIA's GPUs")
    command = Command(cwd=ROOT, program="tests.support.compiled_kernels")
    printed, errors = command.communicate(timeout=300)
    assert command.returncode == 0, errors

    kernels = [json.loads(line) for line in printed.splitlines()]
    names = ["_compare_hashes", *2 * ["_differentiate"], *2 * ["_normalise"]]
    for capability in (80, 90):
        assert sorted(each["name"] for each in kernels if each["capability"] == capability) == names
    assert all(each["spilled"] == 0 and each["registers"] <= 80 for each in kernels), kernels
    assert all(each["exchanged"] == 0 for each in kernels), "the maps of a piece lie in several threads"
