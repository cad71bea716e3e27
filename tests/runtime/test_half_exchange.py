"""Exchanges with float16 on the way: what is sent is rounded, what is not stays, in both passes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from alexc.compiler.placed_graph.placed_graph import Transition
from alexc.runtime.parallel import exchange, half_exchange
from alexc.runtime.parallel.half_exchange import GRADIENT_SCALE
from alexc.runtime.parallel.mesh import Axis, make_mesh
from tests.support.ranks import run_ranks
from tests.training.test_same_numbers import OVER_ALL, batches, compiled

N, C = 4, 6
Run = Callable[[Tensor, Axis], Tensor]
# The arguments of each exchange, and whether its forward and its backward pass send anything.
CASES: dict[str, tuple[dict[str, int], bool, bool]] = {
    "all_gather": ({"dim": 1}, True, True),
    "all_gather_whole": ({"dim": 0}, True, False),
    "own_part": ({"dim": 1}, False, True),
    "spread": ({}, False, True),
    "all_to_all": ({"split": 0, "gather": 1}, True, True),
    "gather": ({"dim": 0, "device": 1}, True, True),
    "scatter": ({"dim": 1, "device": 1, "images": N}, True, True),
    "broadcast": ({"device": 1, "images": N}, True, True),
    "broadcast_whole": ({"device": 1, "images": N}, True, False),
    "keep_on": ({"device": 1}, False, True),
    "send": ({"source": 1, "target": 0, "images": N}, True, True),
}


def rounded(x: Tensor, scale: float = 1.0) -> Tensor:
    return (x * scale).half().to(x.dtype) / scale


def random(seed: int, like: tuple[int, ...] | torch.Size, dtype: torch.dtype) -> Tensor:
    return torch.randn(like, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def both(run: Run, x: Tensor, axis: Axis, gradient_of: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
    """The output, and the gradient of the input."""
    x = x.clone().requires_grad_()
    y = run(x, axis)
    (back,) = torch.autograd.grad(y, x, gradient_of(y))
    return y.detach(), back


def check_case(name: str, axis: Axis, dtype: torch.dtype) -> None:
    arguments, forward, backward = CASES[name]
    holds = name not in ("scatter", "broadcast", "broadcast_whole", "send") or axis.index == 1
    x = random(axis.index, (N if holds else 0, C, 2, 2), dtype)
    gradients: list[Tensor] = []

    def gradient_of(y: Tensor) -> Tensor:
        # about as small as the gradients of a mean over a batch: float16 alone would lose many
        gradients.append(random(7 + axis.index, y.shape, dtype) * 3e-7)
        return gradients[-1]

    y, back = both(lambda x, axis: getattr(half_exchange, name)(x, axis, **arguments), x, axis, gradient_of)
    plain: Run = lambda x, axis: getattr(exchange, name)(x, axis, **arguments)  # noqa: E731
    wanted, wanted_back = both(
        plain,
        rounded(x) if forward else x,
        axis,
        lambda y: rounded(gradients[0], GRADIENT_SCALE) if backward else gradients[0],
    )
    assert y.dtype == back.dtype == dtype, name
    assert torch.equal(y, wanted), name
    if backward:  # a sum over devices is rounded again
        wanted_back = rounded(wanted_back, GRADIENT_SCALE)
    torch.testing.assert_close(back, wanted_back, rtol=1e-6, atol=0, msg=lambda why: f"{name}: {why}")


def check_halo(axis: Axis, dtype: torch.dtype) -> None:
    x = random(axis.index, (N, C, 2, 2), dtype)
    wide = half_exchange.with_halo(x, axis, 2, 1)
    plain = exchange.with_halo(x, axis, 2, 1)
    assert torch.equal(wide[:, 2:-1], x)
    assert torch.equal(wide[:, :2], rounded(plain[:, :2]))
    assert torch.equal(wide[:, -1:], rounded(plain[:, -1:]))
    gradient = random(7 + axis.index, wide.shape, dtype)
    _, back = both(lambda x, axis: half_exchange.with_halo(x, axis, 2, 1), x, axis, lambda _: gradient)
    borrowed = rounded(gradient, GRADIENT_SCALE)
    borrowed[:, 2:-1] = gradient[:, 2:-1]
    _, wanted = both(lambda x, axis: exchange.with_halo(x, axis, 2, 1), x, axis, lambda _: borrowed)
    torch.testing.assert_close(back, wanted, rtol=1e-6, atol=1e-7)


def check_16_bits(axis: Axis) -> None:
    x = random(axis.index, (N, C, 2, 2), torch.bfloat16) * 1e6  # float16 has no such numbers
    assert torch.equal(half_exchange.all_gather(x, axis, dim=1), exchange.all_gather(x, axis, dim=1))


def check_network() -> None:
    """With every exchange of this network rounded, its outputs are close to those without, and not the same."""
    torch.set_default_dtype(torch.float64)
    text = "mesh tower=2\nsplit channels by tower\nkeep fc8 on tower 0"
    outputs = []
    for statements in (text, f"{text}\nsend half"):
        made = compiled(OVER_ALL, statements)
        network = made["NetMeshOf"](make_mesh({"tower": 2}, "cpu")).eval()
        network.reset_parameters(0)
        images, _ = batches()[0]
        outputs.append(network(images).detach())
    assert outputs[0].shape == outputs[1].shape
    if len(outputs[0]):
        assert not torch.equal(outputs[0], outputs[1])
        difference = (outputs[0] - outputs[1]).norm() / outputs[0].norm()
        assert difference < 2e-3


def check_all() -> None:
    axis = make_mesh({"gpu": 2}, "cpu")["gpu"]
    for dtype in (torch.float64, torch.float32):
        for name in CASES:
            check_case(name, axis, dtype)
        check_halo(axis, dtype)
    check_16_bits(axis)
    check_network()


@pytest.mark.slow
def test_what_is_sent_is_rounded_and_what_is_not_stays() -> None:
    run_ranks(2, check_all)


def test_on_one_device_nothing_is_rounded() -> None:
    axis = Axis("gpu", 1, 0, None)
    x = random(0, (N, C, 2, 2), torch.float64)
    for name, (arguments, *_) in CASES.items():
        here = arguments | ({"device": 0} if "device" in arguments else {})
        here |= {"source": 0, "target": 0} if "source" in arguments else {}
        assert torch.equal(getattr(half_exchange, name)(x, axis, **here), x)
    assert torch.equal(half_exchange.with_halo(x, axis, 1, 1)[:, 1:-1], x)


def test_every_exchange_of_a_generated_file_is_there() -> None:
    assert {each.function for each in Transition} == {*CASES, "with_halo"}
    assert all(callable(getattr(half_exchange, each.function)) for each in Transition)
