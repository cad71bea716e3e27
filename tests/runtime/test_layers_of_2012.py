"""The layers of the networks of 2012, against plain loops and against recorded float64 values."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from alexc.compiler.pipeline import check_text
from alexc.runtime.layers.gaussian_blur import gaussian_blur
from alexc.runtime.layers.response_norm_within_map import ResponseNormWithinMap
from alexc.runtime.layers.subsample import subsample
from tests.support.compiled import network_of

VECTORS = Path(__file__).resolve().parents[3] / "shared" / "oracles" / "lab-2012-vectors.json"
recorded_only = pytest.mark.skipif(not VECTORS.is_file(), reason="the recorded values are not present")


def recorded(name: str) -> dict[str, Any]:
    entry: dict[str, Any] = json.loads(VECTORS.read_text())[name]
    return entry


def tensor(values: object) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def equal(made: Tensor, wanted: object) -> None:
    torch.testing.assert_close(made, tensor(wanted), rtol=1e-12, atol=1e-12)


def draw(*sizes: int, gradient: bool = False) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(*sizes, dtype=torch.float64, generator=generator, requires_grad=gradient)


# -- blur


def test_a_blur_weighs_by_the_distance() -> None:
    x = draw(2, 3, 7, 5)
    weights = [math.exp(-((place - 2) ** 2) / (2 * 1.5**2)) for place in range(5)]
    wanted = torch.zeros_like(x)
    for row in range(7):
        for column in range(5):
            for r in range(5):
                for c in range(5):
                    if 0 <= row + r - 2 < 7 and 0 <= column + c - 2 < 5:
                        share = weights[r] * weights[c] / sum(weights) ** 2
                        wanted[:, :, row, column] += share * x[:, :, row + r - 2, column + c - 2]
    torch.testing.assert_close(gaussian_blur(x, 5, std=1.5), wanted, rtol=1e-12, atol=1e-12)


def test_the_gradient_of_a_blur() -> None:
    assert torch.autograd.gradcheck(lambda x: gaussian_blur(x, 3, std=2.0), draw(1, 2, 4, 5, gradient=True))


@recorded_only
@pytest.mark.parametrize("name", ["blur_5_sd2", "blur_9_sd4"])
def test_blur_gives_the_recorded_values(name: str) -> None:
    case = recorded(name)
    equal(gaussian_blur(tensor(case["input"]), case["filterSize"], case["stdev"]), case["output"])


# -- subsample


def test_the_kept_values_lie_in_the_middle() -> None:
    x = torch.arange(224.0).expand(1, 1, 3, 224)
    assert subsample(x, (1, 4))[0, 0, 0].tolist() == [2.0 + 4 * place for place in range(56)]
    places = torch.arange(7.0)
    grid = places[:, None] * 10 + places
    assert subsample(grid[None, None], 4)[0, 0].tolist() == [[11.0, 15.0], [51.0, 55.0]]


def test_the_gradient_of_a_subsample() -> None:
    assert torch.autograd.gradcheck(lambda x: subsample(x, 3), draw(1, 2, 7, 5, gradient=True))


@recorded_only
@pytest.mark.parametrize("name", ["nailbed_2", "nailbed_3", "nailbed_4", "nailbed_5", "nailbed_4_on_7"])
def test_subsample_gives_the_recorded_values(name: str) -> None:
    case = recorded(name)
    equal(subsample(tensor(case["input"]), case["stride"]), case["output"])


# -- response normalisation within a map


def contrast_by_loops(x: Tensor, size: int, alpha: float) -> Tensor:
    height, width = x.shape[2:]

    def window(row: int, column: int) -> list[tuple[int, int]]:
        rows = range(row - size // 2, row - size // 2 + size)
        columns = range(column - size // 2, column - size // 2 + size)
        return [(r, c) for r in rows for c in columns if 0 <= r < height and 0 <= c < width]

    d, made = torch.empty_like(x), torch.empty_like(x)
    places = [(row, column) for row in range(height) for column in range(width)]
    for row, column in places:
        around = torch.stack([x[:, :, r, c] for r, c in window(row, column)])
        d[:, :, row, column] = x[:, :, row, column] - around.mean(0)
    for row, column in places:
        total = torch.stack([d[:, :, r, c] ** 2 for r, c in window(row, column)]).sum(0)
        made[:, :, row, column] = x[:, :, row, column] * (1 + alpha * total) ** -0.75
    return made


@pytest.mark.parametrize("size", [3, 4, 5])
def test_contrast_normalisation_gives_the_values_of_the_loops(size: int) -> None:
    x = draw(2, 3, 6, 5)
    made = ResponseNormWithinMap(size, alpha=0.3, beta=0.75, k=1.0, about="mean")(x)
    torch.testing.assert_close(made, contrast_by_loops(x, size, 0.3), rtol=1e-12, atol=1e-12)


def test_the_gradient_of_contrast_normalisation_is_exact() -> None:
    norm = ResponseNormWithinMap(3, alpha=0.3, beta=0.75, k=1.0, about="mean")
    assert torch.autograd.gradcheck(norm, draw(1, 2, 4, 4, gradient=True))


@recorded_only
@pytest.mark.parametrize("name", ["cnorm_3", "cnorm_4", "cnorm_5", "rnorm_5"])
def test_normalisation_within_a_map_gives_the_recorded_values(name: str) -> None:
    case = recorded(name)
    size, x = case["size"], tensor(case["input"]).requires_grad_()
    about = "mean" if name.startswith("cnorm") else "zero"
    made = ResponseNormWithinMap(size, case["scale"] / size**2, case["pow"], case["k"], about)(x)  # type: ignore[arg-type]
    equal(made, case["output"])
    if "input_gradient_exact" in case:
        (gradient,) = torch.autograd.grad(made, x, tensor(case["output_gradient"]))
        wanted = tensor(case["input_gradient_exact"])  # of finite differences, so with fewer digits
        torch.testing.assert_close(gradient, wanted, rtol=1e-8, atol=1e-8)


# -- the order of conv1, and a layer with two inputs


def spec(body: str, size: int, channels: int = 3) -> str:
    return f"network Small {{\n input {channels}x{size}x{size}\n{body}\n}}\n"


@recorded_only
def test_conv1_normalises_signed_values() -> None:
    case = recorded("conv1_order_145")
    x = tensor(case["input"])
    for body, wanted in (
        ("lrn -> maxpool 3 stride=2 -> relu", "output"),
        ("relu -> lrn -> maxpool 3 stride=2", "paper_order_relu_lrn_pool"),
    ):
        text = spec(f" default lrn size=5 k=2 alpha=0.5 beta=0.75 norm=mean\n {body}", x.shape[2], x.shape[1])
        graph = check_text(text, "small.net").graph
        assert graph is not None
        equal(network_of(graph, "cpu").eval().double()(x), case[wanted])


@recorded_only
def test_a_convolution_of_two_inputs_is_a_sum() -> None:
    case = recorded("conv_two_inputs")
    a, b = (tensor(case[f"input_{name}"]) for name in "ab")
    first = torch.nn.functional.conv2d(torch.nn.functional.pad(a, (0, 1, 0, 1)), tensor(case["weight_a"]), stride=2)
    second = torch.nn.functional.conv2d(b, tensor(case["weight_b"]), tensor(case["bias"]), padding=1)
    equal(first + second, case["output"])


# -- what a spec says of them


def test_what_a_spec_cannot_say() -> None:
    for line, words in (
        ("blur 4 std=1", "a window of 4 places, which has no centre"),
        ("lrn 5 k=1 alpha=1 beta=1 norm=sum about=mean", "`about=mean`, which needs the mean of a window in the map"),
        ("linear 4 -> flip", "needs feature maps"),
        ("linear 4 -> subsample 2", "needs feature maps"),
    ):
        (found,) = check_text(spec(f" {line}", 8), "small.net").diagnostics
        assert (found.code, words in found.headline) == ("E0303", True), found.headline
