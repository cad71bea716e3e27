"""Sums gradients over the devices that share weights but not images, in buckets, during the backward pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import torch
import torch.distributed as dist
from torch import Tensor, nn

from .mesh import Mesh
from .placement import Placement

BUCKET_BYTES = 25 * 2**20  # the default of torch's DistributedDataParallel


@dataclass(eq=False)
class _Bucket:
    """Weights whose gradients are summed in one all-reduce."""

    group: dist.ProcessGroup
    weights: list[nn.Parameter]
    missing: set[nn.Parameter] = field(default_factory=set)
    values: Tensor | None = None
    work: dist.Work | None = None


class GradientSum:
    """A bucketed gradient all-reduce, as in torch's DistributedDataParallel.

    Each bucket is sent during the backward pass, once it and all buckets before it have their gradients.

    Args:
        network: the placed network, on its device.
        placement: says over which axes the gradients of each layer are summed.
        mesh: the devices.
    """

    def __init__(self, network: nn.Module, placement: Placement, mesh: Mesh) -> None:
        self._buckets = list(_buckets(network, placement, mesh))
        self._next = 0
        self._complete = True
        for bucket in self._buckets:
            bucket.missing = set(bucket.weights)
            for weight in bucket.weights:
                weight.register_post_accumulate_grad_hook(self._arrived(bucket))  # type: ignore[no-untyped-call]

    def begin(self, last: bool) -> None:
        """Prepare for a backward pass. Only after the last one of a step are the accumulated gradients sent."""
        self._complete = last

    def wait(self) -> None:
        """Wait for all buckets; then every gradient is its sum. A weight without a gradient here counts as zeros."""
        for bucket in self._buckets:
            bucket.missing.clear()
        self._launch()
        for bucket in self._buckets:
            assert bucket.work is not None
            assert bucket.values is not None
            bucket.work.wait()
            parts = torch.split(bucket.values, [weight.numel() for weight in bucket.weights])
            for weight, part in zip(bucket.weights, parts, strict=True):
                assert weight.grad is not None
                weight.grad.copy_(part.view_as(weight.grad))
            bucket.values = bucket.work = None
            bucket.missing = set(bucket.weights)
        self._next = 0

    def _arrived(self, bucket: _Bucket) -> Callable[[Tensor], None]:
        def hook(weight: Tensor) -> None:
            assert isinstance(weight, nn.Parameter)
            if self._complete:
                bucket.missing.discard(weight)
                self._launch()

        return hook

    def _launch(self) -> None:
        """Send the complete buckets in order, which must be the same on every device."""
        while self._next < len(self._buckets) and not self._buckets[self._next].missing:
            bucket = self._buckets[self._next]
            for weight in bucket.weights:
                if weight.grad is None:
                    weight.grad = torch.zeros_like(weight)
            bucket.values = torch.cat([weight.grad.reshape(-1) for weight in bucket.weights if weight.grad is not None])
            bucket.work = dist.all_reduce(bucket.values, group=bucket.group, async_op=True)
            self._next += 1


def _buckets(network: nn.Module, placement: Placement, mesh: Mesh) -> Iterator[_Bucket]:
    """The weights whose gradients are summed, last ones first, in buckets of the same axes."""
    open_buckets: dict[tuple[str, ...], _Bucket] = {}
    groups: dict[tuple[str, ...], dist.ProcessGroup | None] = {}
    for layers in placement.layers:  # all devices create the groups in the same order
        if layers.summed and layers.summed not in groups:
            groups[layers.summed] = mesh.group(layers.summed)
    for name, weight in reversed(list(network.named_parameters())):
        axes = placement.layers_of(name).summed
        group = groups.get(axes)
        if group is None or not weight.requires_grad:
            continue
        bucket = open_buckets.setdefault(axes, _Bucket(group, []))
        bucket.weights.append(weight)
        if sum(each.numel() * each.element_size() for each in bucket.weights) >= BUCKET_BYTES:
            yield open_buckets.pop(axes)
    yield from open_buckets.values()
