"""The mesh of devices, as one process sees it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod

import torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh


@dataclass(frozen=True, eq=False)
class Axis:
    """A named axis of the mesh.

    Attributes:
        name: its name.
        devices: the number of devices along it.
        index: the position of this process on it.
        group: the processes that differ from this one only in their position on it; None if there are no others.
    """

    name: str
    devices: int
    index: int
    group: dist.ProcessGroup | None


class Mesh:
    """A grid of devices with named axes, outermost first. Ranks count along the innermost axis first.

    Args:
        axes: the axes, with this process's position on each.
    """

    def __init__(self, axes: Sequence[Axis]) -> None:
        self.axes = tuple(axes)
        self._groups: dict[tuple[str, ...], dist.ProcessGroup | None] = {}

    def __getitem__(self, name: str) -> Axis:
        return next(axis for axis in self.axes if axis.name == name)

    @property
    def devices(self) -> int:
        """The number of devices."""
        return prod(axis.devices for axis in self.axes)

    @property
    def rank(self) -> int:
        """The rank of this process."""
        return self.share([axis.name for axis in self.axes])[0]

    def share(self, names: Sequence[str]) -> tuple[int, int]:
        """`share` for the axes of these names."""
        return share([self[name] for name in names])

    def group(self, names: Sequence[str]) -> dist.ProcessGroup | None:
        """The processes that differ from this one only in their positions on these axes.

        All processes must ask for the same groups in the same order, because a group is created at its first use.
        """
        key = tuple(axis.name for axis in self.axes if axis.name in names)
        if key not in self._groups:
            self._groups[key] = self[key[0]].group if len(key) == 1 else self._make_group(key)
        return self._groups[key]

    def _make_group(self, names: tuple[str, ...]) -> dist.ProcessGroup | None:
        if self.devices == 1:
            return None
        places = list(product(*(range(axis.devices) for axis in self.axes)))
        groups: dict[tuple[int, ...], list[int]] = {}
        for rank, place in enumerate(places):
            others = tuple(index for axis, index in zip(self.axes, place, strict=True) if axis.name not in names)
            groups.setdefault(others, []).append(rank)
        made = [dist.new_group(ranks) for ranks in groups.values()]
        mine = made[[self.rank in ranks for ranks in groups.values()].index(True)]
        assert isinstance(mine, dist.ProcessGroup)
        return mine


def share(axes: Sequence[Axis]) -> tuple[int, int]:
    """(index, count): the part of this process of a tensor that is split over these axes, outermost first."""
    index, count = 0, 1
    for axis in axes:
        index, count = index * axis.devices + axis.index, count * axis.devices
    return index, count


def make_mesh(shape: Mapping[str, int], device_type: str) -> Mesh:
    """The mesh of all processes; every process must call this.

    Args:
        shape: the number of devices on each axis, outermost first; their product is the number of processes.
        device_type: `cpu` or `cuda`.
    """
    grid = init_device_mesh(device_type, tuple(shape.values()), mesh_dim_names=tuple(shape))
    return Mesh(
        [Axis(name, devices, grid.get_local_rank(name), grid.get_group(name)) for name, devices in shape.items()]
    )


def one_device() -> Mesh:
    """The mesh of a process that trains alone."""
    return Mesh([])
