"""Differentiable exchanges, which change the layout of a tensor on one axis of the mesh.

On an axis, a tensor is in one of three layouts: whole on each device; split by images (dimension 0) or channels
(dimension 1); or on one device, while the others have a tensor without images, (0, C, …). A gradient has the layout of
its tensor, so the backward pass of an exchange is the reverse exchange, and it is differentiable too. All processes of
an axis call the same exchanges in the same order. Sums are not averaged: each device divides its loss by the size of
the whole batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import Function

from .mesh import Axis

# torch 2.12 renamed both, and warns about the old names.
_all_gather_flat = getattr(dist, "all_gather_single", None) or dist.all_gather_into_tensor
_reduce_scatter_flat = getattr(dist, "reduce_scatter_single", None) or dist.reduce_scatter_tensor


def all_gather(x: Tensor, axis: Axis, dim: int) -> Tensor:
    """Split to whole, for a reader that splits its kernels, so each device has only a part of the gradient.

    Args:
        x: this device's part.
        axis: the devices.
        dim: the dimension that is split, 0 or 1.

    Returns:
        The whole tensor. The backward pass is a reduce-scatter.
    """
    return x if axis.devices == 1 else _AllGather.apply(x, axis, dim)


def reduce_scatter(x: Tensor, axis: Axis, dim: int) -> Tensor:
    """Partial sums to the sum, split along `dim`. The backward pass is an all-gather."""
    return x if axis.devices == 1 else _ReduceScatter.apply(x, axis, dim)


def all_gather_whole(x: Tensor, axis: Axis, dim: int) -> Tensor:
    """Split to whole, for a reader that all devices compute whole: each takes its own part of the gradient."""
    return x if axis.devices == 1 else _AllGatherWhole.apply(x, axis, dim)


def own_part(x: Tensor, axis: Axis, dim: int) -> Tensor:
    """Whole to split along `dim`. Sends nothing; the backward pass is an all-gather."""
    return x if axis.devices == 1 else _OwnPart.apply(x, axis, dim)


def spread(x: Tensor, axis: Axis) -> Tensor:
    """Whole, for a reader that splits its kernels. Sends nothing; the backward pass is an all-reduce."""
    return x if axis.devices == 1 else _Spread.apply(x, axis)


def all_reduce(x: Tensor, axis: Axis) -> Tensor:
    """Partial sums to the sum, whole on each device. The backward pass sends nothing."""
    return x if axis.devices == 1 else _AllReduce.apply(x, axis)


def all_to_all(x: Tensor, axis: Axis, split: int, gather: int) -> Tensor:
    """Split along `gather` to split along `split`. The backward pass is the reverse."""
    return x if axis.devices == 1 else _AllToAll.apply(x, axis, split, gather)


def gather(x: Tensor, axis: Axis, dim: int, device: int) -> Tensor:
    """Split along `dim` to whole on one device. The backward pass is a scatter."""
    return x if axis.devices == 1 else _Gather.apply(x, axis, dim, device)


def scatter(x: Tensor, axis: Axis, dim: int, device: int, images: int) -> Tensor:
    """From one device to parts along `dim`. The backward pass is a gather.

    Args:
        x: (images, C, …) on `device`, (0, C, …) on the others.
        axis: the devices.
        dim: the dimension to split, 0 or 1.
        device: the device that has the tensor.
        images: the number of images of the whole tensor.
    """
    return x if axis.devices == 1 else _Scatter.apply(x, axis, dim, device, images)


def broadcast(x: Tensor, axis: Axis, device: int, images: int) -> Tensor:
    """From one device to all, for a reader that splits its kernels. The backward pass sums on that device."""
    return x if axis.devices == 1 else _Broadcast.apply(x, axis, device, images)


def reduce(x: Tensor, axis: Axis, device: int) -> Tensor:
    """Partial sums to the sum on one device. The backward pass is a broadcast."""
    return x if axis.devices == 1 else _Reduce.apply(x, axis, device)


def broadcast_whole(x: Tensor, axis: Axis, device: int, images: int) -> Tensor:
    """From one device to all, for a reader that all compute whole: that device already has the gradient."""
    return x if axis.devices == 1 else _BroadcastWhole.apply(x, axis, device, images)


def keep_on(x: Tensor, axis: Axis, device: int) -> Tensor:
    """Whole to one device. Sends nothing; the backward pass is a broadcast."""
    return x if axis.devices == 1 else _KeepOn.apply(x, axis, device)


def send(x: Tensor, axis: Axis, source: int, target: int, images: int) -> Tensor:
    """From one device to another. The backward pass is the reverse."""
    return x if source == target else _Send.apply(x, axis, source, target, images)


def with_halo(x: Tensor, axis: Axis, below: int, above: int) -> Tensor:
    """Add the nearest maps of the neighbouring devices; zeros where there is no neighbour.

    Args:
        x: (N, C, H, W), split by channels; C is at least `below` and `above`.
        axis: the devices.
        below: the number of maps from the previous device.
        above: the number of maps from the next device.

    Returns:
        (N, below + C + above, H, W). The backward pass sends the gradients of the borrowed maps back and adds them.
    """
    if axis.devices == 1:
        return F.pad(x, (0, 0) * (x.dim() - 2) + (below, above))
    wide: Tensor = _WithHalo.apply(x, axis, below, above)
    return wide


def add_halo(x: Tensor, axis: Axis, below: int, above: int) -> Tensor:
    """The reverse of `with_halo`: (N, below + C + above, H, W) to (N, C, H, W), for two devices or more."""
    total: Tensor = _AddHalo.apply(x, axis, below, above)
    return total


class _AllGather(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, axis: Axis, dim: int) -> Tensor:  # noqa: ANN401
        ctx.where = axis, dim
        return _gathered(x, axis, dim)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:  # noqa: ANN401
        return _ReduceScatter.apply(gradient, *ctx.where), None, None


class _ReduceScatter(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, axis: Axis, dim: int) -> Tensor:  # noqa: ANN401
        ctx.where = axis, dim
        values, restore = _in_memory_order(x)
        parts = _stacked(values, axis.devices, dim if restore is None else restore.index(dim))
        own = parts.new_empty((len(parts) // axis.devices, *parts.shape[1:]))
        _reduce_scatter_flat(own, parts, group=axis.group)
        return _received(own) if restore is None else own.permute(_LAST_TO_SECOND)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:  # noqa: ANN401
        return _AllGather.apply(gradient, *ctx.where), None, None


class _AllGatherWhole(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, axis: Axis, dim: int) -> Tensor:  # noqa: ANN401
        ctx.where = axis, dim
        return _gathered(x, axis, dim)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:  # noqa: ANN401
        return _OwnPart.apply(gradient, *ctx.where), None, None


class _OwnPart(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, axis: Axis, dim: int) -> Tensor:  # noqa: ANN401
        ctx.where = axis, dim
        return x.chunk(axis.devices, dim)[axis.index].clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:  # noqa: ANN401
        return _AllGatherWhole.apply(gradient, *ctx.where), None, None


class _Spread(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, axis: Axis) -> Tensor:  # noqa: ANN401
        ctx.axis = axis
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:  # noqa: ANN401
        return _AllReduce.apply(gradient, ctx.axis), None


class _AllReduce(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, axis: Axis) -> Tensor:  # noqa: ANN401
        ctx.axis = axis
        values, restore = _in_memory_order(x)
        total = values.clone()
        dist.all_reduce(total, group=axis.group)
        return _received(total) if restore is None else total.permute(_LAST_TO_SECOND)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:  # noqa: ANN401
        return _Spread.apply(gradient, ctx.axis), None


class _AllToAll(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, axis: Axis, split: int, gather: int) -> Tensor:  # noqa: ANN401
        ctx.where = axis, gather, split
        parts = _stacked(x.contiguous(), axis.devices, split)
        received = torch.empty_like(parts)
        dist.all_to_all_single(received, parts, group=axis.group)
        return _side_by_side(received, axis.devices, gather)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:  # noqa: ANN401
        return _AllToAll.apply(gradient, *ctx.where), None, None, None


class _Gather(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, axis: Axis, dim: int, device: int) -> Tensor:  # noqa: ANN401
        ctx.where = axis, dim, device, len(x) * (axis.devices if dim == 0 else 1)
        here = axis.index == device
        received = _routed(x, axis, _all_to(axis, device, len(x)), [len(x) * here] * axis.devices)
        if here:
            return _side_by_side(received, axis.devices, dim)
        return x.new_empty((0, *(size * (axis.devices if place == dim else 1) for place, size in _rest(x))))

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:  # noqa: ANN401
        return _Scatter.apply(gradient, *ctx.where), None, None, None


class _Scatter(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, axis: Axis, dim: int, device: int, images: int) -> Tensor:  # noqa: ANN401
        ctx.where = axis, dim, device
        rows = images // axis.devices if dim == 0 else images
        here = axis.index == device
        shape = (0, *(size // (axis.devices if place == dim else 1) for place, size in _rest(x)))
        parts = _stacked(x, axis.devices, dim) if here else x.new_empty(shape)
        return _routed(parts, axis, [rows * here] * axis.devices, _all_to(axis, device, rows))

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None, None]:  # noqa: ANN401
        return _Gather.apply(gradient, *ctx.where), None, None, None, None


class _Broadcast(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, axis: Axis, device: int, images: int) -> Tensor:  # noqa: ANN401
        ctx.where = axis, device
        return _broadcasted(x, axis, device, images)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:  # noqa: ANN401
        return _Reduce.apply(gradient, *ctx.where), None, None, None


class _Reduce(Function):
    """Partial sums to the sum on one device."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, axis: Axis, device: int) -> Tensor:  # noqa: ANN401
        ctx.where = axis, device, len(x)
        here = axis.index == device
        received = _routed(x, axis, _all_to(axis, device, len(x)), [len(x) * here] * axis.devices)
        return received.view(axis.devices, *x.shape).sum(0) if here else x[:0]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:  # noqa: ANN401
        return _Broadcast.apply(gradient, *ctx.where), None, None


class _BroadcastWhole(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, axis: Axis, device: int, images: int) -> Tensor:  # noqa: ANN401
        ctx.where = axis, device
        return _broadcasted(x, axis, device, images)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:  # noqa: ANN401
        return _KeepOn.apply(gradient, *ctx.where), None, None, None


class _KeepOn(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, axis: Axis, device: int) -> Tensor:  # noqa: ANN401
        ctx.where = axis, device, len(x)
        return x.view_as(x) if axis.index == device else x[:0]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:  # noqa: ANN401
        return _BroadcastWhole.apply(gradient, *ctx.where), None, None


class _Send(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, axis: Axis, source: int, target: int, images: int) -> Tensor:  # noqa: ANN401
        ctx.where = axis, target, source, images
        sends, receives = [0] * axis.devices, [0] * axis.devices
        if axis.index == source:
            sends[target] = images
        if axis.index == target:
            receives[source] = images
        return _routed(x, axis, sends, receives)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None, None]:  # noqa: ANN401
        return _Send.apply(gradient, *ctx.where), None, None, None, None


class _WithHalo(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, axis: Axis, below: int, above: int) -> Tensor:  # noqa: ANN401
        ctx.where = axis, below, above
        before, after = _from_neighbours(x[:, :above], x[:, x.shape[1] - below :], axis, below, above)
        return torch.cat([before, x, after], 1)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:  # noqa: ANN401
        return _AddHalo.apply(gradient, *ctx.where), None, None, None


class _AddHalo(Function):
    """The gradient of `with_halo`: sends back the gradients of the borrowed maps and adds them."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, axis: Axis, below: int, above: int) -> Tensor:  # noqa: ANN401
        ctx.where = axis, below, above
        count = x.shape[1] - below - above
        before, after = _from_neighbours(x[:, :below], x[:, below + count :], axis, above, below)
        total = x[:, below : below + count].clone()
        total[:, :above] += before
        total[:, count - below :] += after
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:  # noqa: ANN401
        return _WithHalo.apply(gradient, *ctx.where), None, None, None


_LAST_TO_SECOND = (0, 3, 1, 2)  # (N, H, W, C) to (N, C, H, W)


def _in_memory_order(x: Tensor) -> tuple[Tensor, tuple[int, ...] | None]:
    """A contiguous view without a copy, also of channels-last maps; then with permuted dimensions."""
    if x.dim() == 4 and not x.is_contiguous() and x.is_contiguous(memory_format=torch.channels_last):
        order = (0, 2, 3, 1)
        return x.permute(order), order
    return x.contiguous(), None


def _gathered(x: Tensor, axis: Axis, dim: int) -> Tensor:
    values, restore = _in_memory_order(x)
    parts = values.new_empty((axis.devices * len(values), *values.shape[1:]))
    _all_gather_flat(parts, values, group=axis.group)
    return _side_by_side(parts if restore is None else parts.permute(_LAST_TO_SECOND), axis.devices, dim)


def _stacked(x: Tensor, devices: int, dim: int) -> Tensor:
    """The parts along `dim`, stacked along dimension 0, contiguous."""
    return x.contiguous() if dim == 0 else torch.cat(x.chunk(devices, dim))


def _side_by_side(parts: Tensor, devices: int, dim: int) -> Tensor:
    """The reverse of `_stacked`."""
    return _received(parts) if dim == 0 else torch.cat(parts.chunk(devices), dim)


def _broadcasted(x: Tensor, axis: Axis, device: int, images: int) -> Tensor:
    copies = torch.cat([x] * axis.devices)  # the device has no images
    return _routed(copies, axis, [len(x)] * axis.devices, _all_to(axis, device, images))


def _from_neighbours(
    first: Tensor, last: Tensor, axis: Axis, from_before: int, from_after: int
) -> tuple[Tensor, Tensor]:
    """Send `first` to the previous device and `last` to the next; receive from both, zeros at the ends of the axis."""
    sends, receives = [0] * axis.devices, [0] * axis.devices
    given = [first.transpose(0, 1)[:0]]
    if axis.index > 0:
        sends[axis.index - 1], receives[axis.index - 1] = first.shape[1], from_before
        given.append(first.transpose(0, 1))
    if axis.index < axis.devices - 1:
        sends[axis.index + 1], receives[axis.index + 1] = last.shape[1], from_after
        given.append(last.transpose(0, 1))
    received = _routed(torch.cat(given), axis, sends, receives).transpose(0, 1)
    images, _, *sides = first.shape
    before = received[:, :from_before] if axis.index > 0 else first.new_zeros((images, from_before, *sides))
    after = (
        received[:, received.shape[1] - from_after :]
        if axis.index < axis.devices - 1
        else first.new_zeros((images, from_after, *sides))
    )
    return before, after


def _routed(x: Tensor, axis: Axis, sends: list[int], receives: list[int]) -> Tensor:
    """Send and receive the given numbers of rows to and from each device, in one uneven all-to-all."""
    x = x.contiguous()
    received = x.new_empty((sum(receives), *x.shape[1:]))
    dist.all_to_all_single(received, x, receives, sends, group=axis.group)
    return _received(received)


def _received(x: Tensor) -> Tensor:
    """The output of a collective as another view: torch 2.11 loses its gradient when compiling otherwise."""
    return x.view_as(x)


def _all_to(axis: Axis, device: int, rows: int) -> list[int]:
    return [rows if index == device else 0 for index in range(axis.devices)]


def _rest(x: Tensor) -> Sequence[tuple[int, int]]:
    """The sizes of all dimensions except the first."""
    return list(enumerate(x.shape))[1:]
