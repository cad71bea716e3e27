"""The mesh of devices as one of its processes sees it."""

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
        devices: how many devices stand on it.
        index: where this process stands on it.
        group: the processes that differ from this one in their place on it alone; None for a process without others.
    """

    name: str
    devices: int
    index: int
    group: dist.ProcessGroup | None


class Mesh:
    """A grid of devices with named axes, outermost first; the innermost counts fastest.

    Args:
        axes: the axes, with this process's place on each.
    """

    def __init__(self, axes: Sequence[Axis]) -> None:
        self.axes = tuple(axes)
        self._groups: dict[tuple[str, ...], dist.ProcessGroup | None] = {}

    def __getitem__(self, name: str) -> Axis:
        return next(axis for axis in self.axes if axis.name == name)

    @property
    def devices(self) -> int:
        """How many devices there are."""
        return prod(axis.devices for axis in self.axes)

    @property
    def rank(self) -> int:
        """This process's number among all."""
        return self.share([axis.name for axis in self.axes])[0]

    def share(self, names: Sequence[str]) -> tuple[int, int]:
        """Which part of how many this process has of what is cut over these axes, the first of them most coarsely."""
        return share([self[name] for name in names])

    def group(self, names: Sequence[str]) -> dist.ProcessGroup | None:
        """The processes that differ from this one on these axes alone.

        All processes must ask for the same groups in the same order: each is made when it is first asked for.
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
    """Which part of how many this process has of what is cut over these axes, the first of them most coarsely."""
    index, count = 0, 1
    for axis in axes:
        index, count = index * axis.devices + axis.index, count * axis.devices
    return index, count


def make_mesh(shape: Mapping[str, int], device_type: str) -> Mesh:
    """The mesh of all processes; every one of them calls this.

    Args:
        shape: the devices on each axis, outermost first; as many in all as there are processes.
        device_type: `cpu` or `cuda`.
    """
    grid = init_device_mesh(device_type, tuple(shape.values()), mesh_dim_names=tuple(shape))
    return Mesh(
        [Axis(name, devices, grid.get_local_rank(name), grid.get_group(name)) for name, devices in shape.items()]
    )


def one_device() -> Mesh:
    """The mesh of a process that works alone."""
    return Mesh([])
