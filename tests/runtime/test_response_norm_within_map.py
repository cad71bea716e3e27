"""Normalisation within a map, against loops over every place and every neighbour."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from alexc.compiler.files.pytorch import write_pytorch
from alexc.compiler.pipeline import check_text
from alexc.runtime.layers.response_norm_within_map import ResponseNormWithinMap


def by_loops(x: Tensor, size: int, alpha: float, beta: float, k: float) -> Tensor:
    made = torch.empty_like(x)
    height, width = x.shape[2:]
    for row in range(height):
        for column in range(width):
            total = torch.zeros(x.shape[:2], dtype=x.dtype)
            for r in range(row - size // 2, row - size // 2 + size):
                for c in range(column - size // 2, column - size // 2 + size):
                    if 0 <= r < height and 0 <= c < width:
                        total = total + x[:, :, r, c] ** 2
            made[:, :, row, column] = x[:, :, row, column] / (k + alpha * total) ** beta
    return made


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 9])
def test_values_are_those_of_the_loops(size: int) -> None:
    x = torch.randn(2, 3, 6, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(size))
    made = ResponseNormWithinMap(size, alpha=0.3, beta=0.75, k=1.5)(x)
    torch.testing.assert_close(made, by_loops(x, size, 0.3, 0.75, 1.5), rtol=1e-12, atol=1e-12)


def test_the_gradient_is_that_of_differences() -> None:
    x = torch.randn(1, 2, 4, 4, dtype=torch.float64, requires_grad=True, generator=torch.Generator().manual_seed(0))
    assert torch.autograd.gradcheck(ResponseNormWithinMap(3, alpha=0.3, beta=0.75, k=1.0), x)


SPEC = (
    "network Within {{\n input 3x8x8\n towers {towers}\n conv 4 kernel=3\n"
    " lrn 3 k=1 alpha=0.9 beta=0.75 norm={norm} within=map {more}\n}}\n"
)


@pytest.mark.parametrize(("norm", "alpha"), [("sum", "0.9"), ("mean", "0.1")])
def test_the_mean_is_over_the_whole_window(norm: str, alpha: str) -> None:
    graph = check_text(SPEC.format(towers=2, norm=norm, more=""), "within.net").graph
    assert graph is not None
    assert f"ResponseNormWithinMap(3, alpha={alpha}, beta=0.75, k=1.0)" in write_pytorch(graph, "within.net")


def test_a_map_is_in_one_tower_anyway() -> None:
    checked = check_text(SPEC.format(towers=2, norm="sum", more="over=all"), "within.net")
    assert [each.headline for each in checked.diagnostics] == [
        "`lrn1` normalises within each map, so `over` has no effect"
    ]
