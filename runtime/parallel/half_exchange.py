"""The exchanges of `exchange` with float16 on the way: `send half` of a placement, as in the author's program of 2013.

What is sent is rounded to float16, and so are sums over devices. A gradient is multiplied by `GRADIENT_SCALE` before it
is rounded, and divided by it after. What is not sent keeps its type. Tensors of 16 bits are sent as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from . import exchange
from .mesh import Axis

# The gradients of a mean over a batch are small: float16 has nothing between 0 and 6e-8. In 2012 they were those of the
# sum over a batch of 128 images.
GRADIENT_SCALE = 128.0

_Pass = Callable[[Tensor], Tensor]


def all_gather(x: Tensor, axis: Axis, dim: int) -> Tensor:
    """`exchange.all_gather`; the backward pass is a reduce-scatter."""
    return _exchanged(
        x,
        axis,
        _sent(lambda x: exchange.all_gather(x, axis, dim)),
        _sent_back(lambda gradient: exchange.reduce_scatter(gradient, axis, dim)),
    )


def all_gather_whole(x: Tensor, axis: Axis, dim: int) -> Tensor:
    """`exchange.all_gather_whole`; the backward pass sends nothing."""
    return _exchanged(
        x,
        axis,
        _sent(lambda x: exchange.all_gather_whole(x, axis, dim)),
        lambda gradient: exchange.own_part(gradient, axis, dim),
    )


def own_part(x: Tensor, axis: Axis, dim: int) -> Tensor:
    """`exchange.own_part`, which sends nothing; the backward pass is an all-gather."""
    return _exchanged(
        x,
        axis,
        lambda x: exchange.own_part(x, axis, dim),
        _sent_back(lambda gradient: exchange.all_gather_whole(gradient, axis, dim)),
    )


def spread(x: Tensor, axis: Axis) -> Tensor:
    """`exchange.spread`, which sends nothing; the backward pass is an all-reduce."""
    return _exchanged(
        x,
        axis,
        lambda x: exchange.spread(x, axis),
        _sent_back(lambda gradient: exchange.all_reduce(gradient, axis)),
    )


def all_to_all(x: Tensor, axis: Axis, split: int, gather: int) -> Tensor:
    """`exchange.all_to_all`; the backward pass is the reverse."""
    return _exchanged(
        x,
        axis,
        _sent(lambda x: exchange.all_to_all(x, axis, split, gather)),
        _sent_back(lambda gradient: exchange.all_to_all(gradient, axis, gather, split)),
    )


def gather(x: Tensor, axis: Axis, dim: int, device: int) -> Tensor:
    """`exchange.gather`; the backward pass is a scatter."""
    images = len(x) * (axis.devices if dim == 0 else 1)
    return _exchanged(
        x,
        axis,
        _sent(lambda x: exchange.gather(x, axis, dim, device)),
        _sent_back(lambda gradient: exchange.scatter(gradient, axis, dim, device, images)),
    )


def scatter(x: Tensor, axis: Axis, dim: int, device: int, images: int) -> Tensor:
    """`exchange.scatter`; the backward pass is a gather."""
    return _exchanged(
        x,
        axis,
        _sent(lambda x: exchange.scatter(x, axis, dim, device, images)),
        _sent_back(lambda gradient: exchange.gather(gradient, axis, dim, device)),
    )


def broadcast(x: Tensor, axis: Axis, device: int, images: int) -> Tensor:
    """`exchange.broadcast`; the backward pass sums on that device."""
    return _exchanged(
        x,
        axis,
        _sent(lambda x: exchange.broadcast(x, axis, device, images)),
        _sent_back(lambda gradient: exchange.reduce(gradient, axis, device)),
    )


def broadcast_whole(x: Tensor, axis: Axis, device: int, images: int) -> Tensor:
    """`exchange.broadcast_whole`; the backward pass sends nothing."""
    return _exchanged(
        x,
        axis,
        _sent(lambda x: exchange.broadcast_whole(x, axis, device, images)),
        lambda gradient: exchange.keep_on(gradient, axis, device),
    )


def keep_on(x: Tensor, axis: Axis, device: int) -> Tensor:
    """`exchange.keep_on`, which sends nothing; the backward pass is a broadcast."""
    images = len(x)
    return _exchanged(
        x,
        axis,
        lambda x: exchange.keep_on(x, axis, device),
        _sent_back(lambda gradient: exchange.broadcast_whole(gradient, axis, device, images)),
    )


def send(x: Tensor, axis: Axis, source: int, target: int, images: int) -> Tensor:
    """`exchange.send`; the backward pass is the reverse."""
    if source == target:
        return x
    return _exchanged(
        x,
        axis,
        _sent(lambda x: exchange.send(x, axis, source, target, images)),
        _sent_back(lambda gradient: exchange.send(gradient, axis, target, source, images)),
    )


def with_halo(x: Tensor, axis: Axis, below: int, above: int) -> Tensor:
    """`exchange.with_halo`; the maps of the device itself, and their gradients, keep their type."""
    if axis.devices == 1:
        return exchange.with_halo(x, axis, below, above)
    own = slice(below, below + x.shape[1])

    def there(x: Tensor) -> Tensor:
        wide = _sent(lambda x: exchange.with_halo(x, axis, below, above))(x)
        wide[:, own] = x
        return wide

    def back(gradient: Tensor) -> Tensor:
        borrowed = gradient.clone()
        borrowed[:, own] = 0
        returned = _sent_back(lambda gradient: exchange.add_halo(gradient, axis, below, above))(borrowed)
        return returned + gradient[:, own]

    return _exchanged(x, axis, there, back)


class _Exchange(Function):
    """An exchange from its two passes, which need no gradients themselves."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, there: _Pass, back: _Pass) -> Tensor:  # noqa: ANN401
        ctx.passes = there, back
        return there(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:  # noqa: ANN401
        there, back = ctx.passes
        return _Exchange.apply(gradient, back, there), None, None


def _exchanged(x: Tensor, axis: Axis, there: _Pass, back: _Pass) -> Tensor:
    """The exchange of these passes; on an axis of one device nothing is sent."""
    if axis.devices == 1:
        return x
    exchanged: Tensor = _Exchange.apply(x, there, back)
    return exchanged


def _sent(run: _Pass) -> _Pass:
    """The pass with float16 on the way."""
    return lambda x: run(x.to(_type_on_the_way(x))).to(x.dtype)


def _sent_back(run: _Pass) -> _Pass:
    """The same for a gradient."""
    return lambda x: run((x * GRADIENT_SCALE).to(_type_on_the_way(x))).to(x.dtype) / GRADIENT_SCALE


def _type_on_the_way(x: Tensor) -> torch.dtype:
    return torch.float16 if x.element_size() > torch.float16.itemsize else x.dtype
