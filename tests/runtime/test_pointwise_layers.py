"""Learned slopes, maxima, powers, mish and maps that are widened or cut, against their formulas in float64."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from alexc.compiler.pipeline import check_text
from alexc.runtime.layers.reorg import reorg
from tests.support.compiled import network_of


def compiled(line: str) -> nn.Module:
    """A network that reads 4x3x3 and ends with this line."""
    checked = check_text(f"network N {{\n input 4x3x3\n{line}\n}}\n", "net.net")
    assert checked.graph is not None, checked.diagnostics
    return network_of(checked.graph, "cpu").double()


def images() -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(2, 4, 3, 3, dtype=torch.float64, generator=generator, requires_grad=True)


FORMULAS: dict[str, Callable[[Tensor], Tensor]] = {
    "mish": lambda x: x * (1 + x.exp()).log().tanh(),
    "power 3": lambda x: x * x * x,
    "power -1": lambda x: 1 / x,
    "abs -> power 0.3": lambda x: (x.abs().log() * 0.3).exp(),
    "maximum input input": lambda x: x,
    "leaky_relu 0 -> maximum input": lambda x: x.clamp(min=0),
    "a: affine -1\n b: affine 0.5\n c: maximum a b input": lambda x: torch.where(x > 0, x, -x),
}


@pytest.mark.parametrize("line", FORMULAS)
def test_values_and_gradients_are_those_of_the_formula(line: str) -> None:
    x = images()
    made, wanted = compiled(line.replace("\n b:", "\n b: input ->"))(x), FORMULAS[line](x)
    torch.testing.assert_close(made, wanted, rtol=1e-12, atol=1e-12)
    (made,), (wanted,) = (torch.autograd.grad(each.pow(2).sum(), x) for each in (made, wanted))
    torch.testing.assert_close(made, wanted, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(("line", "slopes"), [("p: prelu", 4), ("p: prelu 0.25 shared=yes", 1)])
def test_learned_slopes(line: str, slopes: int) -> None:
    network, x = compiled(line), images()
    (weight,) = network.parameters()
    assert weight.tolist() == [0.25] * slopes
    nn.init.normal_(weight)
    wanted = x.clamp(min=0) + weight.view(1, -1, 1, 1) * x.clamp(max=0)
    torch.testing.assert_close(network(x), wanted)
    made, formula = (torch.autograd.grad(each.pow(2).sum(), (x, weight)) for each in (network(x), wanted))
    torch.testing.assert_close(made, formula)


@pytest.mark.parametrize(("sizes", "stride"), [((4, 6, 4), 2), ((9, 3, 6), 3), ((8, 2, 2), 2), ((5, 3, 2), 1)])
def test_reorg_moves_values_as_darknet_does(sizes: tuple[int, int, int], stride: int) -> None:
    """darknet's own loop, over one flat array, with its names."""
    c, h, w = sizes
    x = torch.randn(2, *sizes, dtype=torch.float64)
    out_c = c // stride**2
    wanted = torch.empty_like(x).flatten(1)
    for k in range(c):
        for j in range(h):
            for i in range(w):
                offset = k // out_c
                w2, h2 = i * stride + offset % stride, j * stride + offset // stride
                source = w2 + w * stride * (h2 + h * stride * (k % out_c))
                wanted[:, i + w * (j + h * k)] = x.flatten(1)[:, source]
    made = reorg(x, stride)
    assert made.shape == (2, c * stride**2, h // stride, w // stride)
    assert torch.equal(made.flatten(1), wanted)


def test_a_widened_layer_ends_with_zeros() -> None:
    x = images()
    made = compiled("widen 7")(x)
    assert torch.equal(made, torch.cat([x, torch.zeros(2, 3, 3, 3, dtype=torch.float64)], 1))
    assert torch.equal(compiled("flatten -> widen 40")(x), torch.cat([x.flatten(1), torch.zeros(2, 4).double()], 1))


def test_slopes_have_multipliers() -> None:
    checked = check_text("network N {\n input 4x3x3\n prelu 0.1 weight_rate=2 weight_decay=0\n}\n", "net.net")
    assert checked.graph is not None
    assert checked.graph.nodes[0].layer.kind.multipliers() == {"weight": (2, 0)}
