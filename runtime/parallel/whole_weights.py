"""Gathers the weights of all devices, and splits whole weights again. So checkpoints do not depend on the mesh."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.distributed as dist
from torch import Tensor

from .mesh import Mesh
from .placement import Layers, Placement


def gather_tensors(tensors: Mapping[str, Tensor], placement: Placement, mesh: Mesh) -> dict[str, Tensor]:
    """Gather whole tensors; every process of the mesh calls this, and gets all of them.

    Args:
        tensors: the tensors of this device, by the names of the network's weights and buffers.
        placement: how they are split.
        mesh: the devices.

    Returns:
        Sorted by name, on the device of `tensors`.
    """
    described: list[dict[str, tuple[torch.Size, torch.dtype]]] = [{} for _ in range(mesh.devices)]
    own_tensors = {name: (tensor.shape, tensor.dtype) for name, tensor in tensors.items()}
    if mesh.devices > 1:
        dist.all_gather_object(described, own_tensors)
    else:
        described = [own_tensors]
    device = next(iter(tensors.values())).device if tensors else torch.device("cpu")
    shapes = {name: facts for each in described for name, facts in each.items()}
    result: dict[str, Tensor] = {}
    for name in sorted(shapes):
        shape, dtype = shapes[name]
        layers = placement.layers_of(name)
        part = tensors[name] if name in tensors else torch.empty(shape, dtype=dtype, device=device)
        result[name] = _gather(part.detach(), layers, mesh)
    return result


def shard_tensors(whole_tensors: Mapping[str, Tensor], placement: Placement, mesh: Mesh) -> dict[str, Tensor]:
    """This device's part of whole tensors, without the layers that it does not have."""
    result: dict[str, Tensor] = {}
    for name, tensor in whole_tensors.items():
        layers = placement.layers_of(name)
        if all(mesh[axis].index == device for axis, device in layers.kept.items()):
            index, shares = mesh.share(layers.split if tensor.dim() else ())
            result[name] = tensor.chunk(shares)[index] if shares > 1 else tensor
    return result


def _gather(part: Tensor, layers: Layers, mesh: Mesh) -> Tensor:
    """One tensor, gathered over the axes that split it, innermost first, then sent by the device that keeps it."""
    for name in reversed(layers.split if part.dim() else ()):
        axis = mesh[name]
        if axis.devices > 1:
            parts = [torch.empty_like(part, memory_format=torch.contiguous_format) for _ in range(axis.devices)]
            dist.all_gather(parts, part.contiguous(), group=axis.group)
            part = torch.cat(parts)
    for name, device in layers.kept.items():
        axis = mesh[name]
        if axis.devices > 1:
            part = part.contiguous()
            dist.broadcast(part, group=axis.group, group_src=device)
    return part
