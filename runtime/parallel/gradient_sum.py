"""Sums gradients over the devices that share weights but not images, in buckets, during the backward pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import chain

import torch
import torch.distributed as dist
from torch import Tensor, nn

from .mesh import Mesh
from .placement import Placement

_BUCKET_BYTES = 25 * 2**20  # the default of torch's DistributedDataParallel


@dataclass(eq=False)
class _Bucket:
    """Weights whose gradients are summed in one all-reduce."""

    group: dist.ProcessGroup
    weights: list[nn.Parameter]
    missing: set[nn.Parameter] = field(default_factory=set)
    values: Tensor | None = None
    work: dist.Work | None = None

    @property
    def size(self) -> int:
        """The bytes of its gradients."""
        return sum(weight.numel() * weight.element_size() for weight in self.weights)


class GradientSum:
    """A bucketed gradient all-reduce, as in torch's DistributedDataParallel.

    A bucket is sent during the backward pass, once it and those before it over the same axes have their gradients. Only
    then do all devices send it at the same place among the exchanges: the devices that share a bucket have the same
    layers in it, but another device can lack layers of other axes.

    Args:
        network: the placed network, on its device.
        placement: says over which axes the gradients of each layer are summed.
        mesh: the devices.
    """

    def __init__(self, network: nn.Module, placement: Placement, mesh: Mesh) -> None:
        self._buckets = _buckets(network, placement, mesh)
        self._complete = True
        for buckets in self._buckets:
            for bucket in buckets:
                bucket.missing = set(bucket.weights)
                for weight in bucket.weights:
                    weight.register_post_accumulate_grad_hook(  # type: ignore[no-untyped-call]
                        self._arrived(bucket, buckets)
                    )

    def begin(self, last: bool) -> None:
        """Prepare for a backward pass. Only after the last one of a step are the accumulated gradients sent."""
        self._complete = last

    def wait(self) -> None:
        """Wait for all buckets; then every gradient is its sum. A weight without a gradient here counts as zeros."""
        for buckets in self._buckets:
            for bucket in buckets:
                bucket.missing.clear()
            _launch(buckets)
        for bucket in chain(*self._buckets):
            assert bucket.work is not None
            assert bucket.values is not None
            bucket.work.wait()
            parts = torch.split(bucket.values, [weight.numel() for weight in bucket.weights])
            for weight, part in zip(bucket.weights, parts, strict=True):
                assert weight.grad is not None
                weight.grad.copy_(part.view_as(weight.grad))
            bucket.values = bucket.work = None
            bucket.missing = set(bucket.weights)

    def _arrived(self, bucket: _Bucket, buckets: list[_Bucket]) -> Callable[[Tensor], None]:
        def hook(weight: Tensor) -> None:
            assert isinstance(weight, nn.Parameter)
            if self._complete:
                bucket.missing.discard(weight)
                _launch(buckets)

        return hook


def _launch(buckets: list[_Bucket]) -> None:
    """Send the complete buckets in order, which must be the same on every device."""
    for bucket in buckets:
        if bucket.missing:
            return
        if bucket.work is None:
            for weight in bucket.weights:
                if weight.grad is None:
                    weight.grad = torch.zeros_like(weight)
            bucket.values = torch.cat([weight.grad.reshape(-1) for weight in bucket.weights if weight.grad is not None])
            bucket.work = dist.all_reduce(bucket.values, group=bucket.group, async_op=True)


def _buckets(network: nn.Module, placement: Placement, mesh: Mesh) -> list[list[_Bucket]]:
    """The weights whose gradients are summed, last ones first, in buckets; a list for each set of axes."""
    buckets: dict[tuple[str, ...], list[_Bucket]] = {}
    groups: dict[tuple[str, ...], dist.ProcessGroup | None] = {}
    for layers in placement.layers:  # all devices create the groups in the same order
        if layers.summed and layers.summed not in groups:
            groups[layers.summed] = mesh.group(layers.summed)
            buckets[layers.summed] = []
    for name, weight in reversed(list(network.named_parameters())):
        axes = placement.layers_of(name).summed
        group = groups.get(axes)
        if group is None or not weight.requires_grad:
            continue
        if not buckets[axes] or buckets[axes][-1].size >= _BUCKET_BYTES:
            buckets[axes].append(_Bucket(group, []))
        buckets[axes][-1].weights.append(weight)
    return list(buckets.values())
