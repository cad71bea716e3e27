"""Exchanges, where a tensor changes its layout on an axis of the mesh: differentiable, over public collectives.

On an axis a tensor is whole on each device, cut by images (dimension 0) or channels (dimension 1), or on one device,
where the others hold it with no images: (0, C, …). The gradient of a tensor lies as the tensor does, so that the
backward pass of each exchange is the adjoint one; it is itself differentiable. Every process of the axis calls the same
exchanges in the same order. All sums are sums: the loss of a device is divided by the whole batch's size.
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

# torch 2.12 gave both a new name and warns of the old one.
_all_gather_flat = getattr(dist, "all_gather_single", None) or dist.all_gather_into_tensor
_reduce_scatter_flat = getattr(dist, "reduce_scatter_single", None) or dist.reduce_scatter_tensor


def all_gather(x: Tensor, axis: Axis, dim: int) -> Tensor:
    """Cut to whole, for a reader whose kernels are cut: each device has a part of the gradient.

    Args:
        x: this device's part.
        axis: the devices.
        dim: the dimension that is cut, 0 or 1.

    Returns:
        The whole tensor; going back a reduce-scatter.
    """
    return x if axis.devices == 1 else _AllGather.apply(x, axis, dim)


def reduce_scatter(x: Tensor, axis: Axis, dim: int) -> Tensor:
    """Partial sums to the sum, cut along `dim`; going back an all-gather."""
    return x if axis.devices == 1 else _ReduceScatter.apply(x, axis, dim)


def all_gather_whole(x: Tensor, axis: Axis, dim: int) -> Tensor:
    """Cut to whole, for a reader that is whole: each device has the same gradient, and takes its own part of it."""
    return x if axis.devices == 1 else _AllGatherWhole.apply(x, axis, dim)


def own_part(x: Tensor, axis: Axis, dim: int) -> Tensor:
    """Whole to cut along `dim`: nothing is sent; going back an all-gather."""
    return x if axis.devices == 1 else _OwnPart.apply(x, axis, dim)


def spread(x: Tensor, axis: Axis) -> Tensor:
    """Whole, for a reader whose kernels are cut: nothing is sent; going back an all-reduce."""
    return x if axis.devices == 1 else _Spread.apply(x, axis)


def all_reduce(x: Tensor, axis: Axis) -> Tensor:
    """Partial sums to the sum, whole on each device; going back nothing is sent."""
    return x if axis.devices == 1 else _AllReduce.apply(x, axis)


def all_to_all(x: Tensor, axis: Axis, split: int, gather: int) -> Tensor:
    """Cut along `gather` to cut along `split`; going back the reverse."""
    return x if axis.devices == 1 else _AllToAll.apply(x, axis, split, gather)


def gather(x: Tensor, axis: Axis, dim: int, device: int) -> Tensor:
    """Cut along `dim` to whole on one device; going back a scatter."""
    return x if axis.devices == 1 else _Gather.apply(x, axis, dim, device)


def scatter(x: Tensor, axis: Axis, dim: int, device: int, images: int) -> Tensor:
    """From one device to parts along `dim`; going back a gather.

    Args:
        x: (images, C, …) on `device`, (0, C, …) on the others.
        axis: the devices.
        dim: the dimension that is cut, 0 or 1.
        device: the one that has it.
        images: how many images the whole tensor has.
    """
    return x if axis.devices == 1 else _Scatter.apply(x, axis, dim, device, images)


def broadcast(x: Tensor, axis: Axis, device: int, images: int) -> Tensor:
    """From one device to all, for a reader whose kernels are cut; going back the parts are summed on that device."""
    return x if axis.devices == 1 else _Broadcast.apply(x, axis, device, images)


def broadcast_whole(x: Tensor, axis: Axis, device: int, images: int) -> Tensor:
    """From one device to all, for a reader that is whole: that device has the gradient already."""
    return x if axis.devices == 1 else _BroadcastWhole.apply(x, axis, device, images)


def keep_on(x: Tensor, axis: Axis, device: int) -> Tensor:
    """Whole to one device: nothing is sent; going back a broadcast."""
    return x if axis.devices == 1 else _KeepOn.apply(x, axis, device)


def send(x: Tensor, axis: Axis, source: int, target: int, images: int) -> Tensor:
    """From one device to another; going back the reverse."""
    return x if source == target else _Send.apply(x, axis, source, target, images)


def with_halo(x: Tensor, axis: Axis, below: int, above: int) -> Tensor:
    """A device's maps between the nearest ones of its neighbours; zeros where there is no neighbour.

    Args:
        x: (N, C, H, W), cut by channels; C is at least `below` and `above`.
        axis: the devices.
        below: how many maps come from the device before.
        above: how many maps come from the device after.

    Returns:
        (N, below + C + above, H, W); going back the gradients of the borrowed maps are sent home and added.
    """
    if axis.devices == 1:
        return F.pad(x, (0, 0) * (x.dim() - 2) + (below, above))
    wide: Tensor = _WithHalo.apply(x, axis, below, above)
    return wide


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
    """The gradient of `with_halo`: what belongs to the neighbours is sent there and added."""

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
    """Contiguous without a copy also for maps that lie channels last; then with the order that its dimensions have."""
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
    """The parts along `dim` one below the other, contiguous."""
    return x.contiguous() if dim == 0 else torch.cat(x.chunk(devices, dim))


def _side_by_side(parts: Tensor, devices: int, dim: int) -> Tensor:
    """The reverse of `_stacked`."""
    return _received(parts) if dim == 0 else torch.cat(parts.chunk(devices), dim)


def _broadcasted(x: Tensor, axis: Axis, device: int, images: int) -> Tensor:
    copies = torch.cat([x] * axis.devices)  # none where there are no images
    return _routed(copies, axis, [len(x)] * axis.devices, _all_to(axis, device, images))


def _from_neighbours(
    first: Tensor, last: Tensor, axis: Axis, from_before: int, from_after: int
) -> tuple[Tensor, Tensor]:
    """Give the device before `first`, the device after `last`; get as many maps of each as said, zeros at the ends."""
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
    """Send so many rows to each device, in order, and receive so many of each: one uneven all-to-all."""
    x = x.contiguous()
    received = x.new_empty((sum(receives), *x.shape[1:]))
    dist.all_to_all_single(received, x, receives, sends, group=axis.group)
    return _received(received)


def _received(x: Tensor) -> Tensor:
    """What a collective has written, as another view: torch 2.11, compiling, loses the gradient of what is written."""
    return x.view_as(x)


def _all_to(axis: Axis, device: int, rows: int) -> list[int]:
    return [rows if index == device else 0 for index in range(axis.devices)]


def _rest(x: Tensor) -> Sequence[tuple[int, int]]:
    """The dimensions after the first with their sizes."""
    return list(enumerate(x.shape))[1:]
