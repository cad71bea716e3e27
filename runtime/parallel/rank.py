"""One process of a training: alone, or one of several that train one network on a mesh of devices."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import TypeVar, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn

from ..errors import UserError
from ..network_file import NetworkFile
from .batch_shard import BatchShard
from .gradient_sum import GradientSum
from .mesh import Mesh, one_device
from .placement import Placement
from .whole_weights import gather_tensors, shard_tensors

Made = TypeVar("Made")


class ReportedElsewhere(UserError):  # noqa: N818 - rank 0 reports the error
    """An error that rank 0 reports, so the other ranks need not."""


class Rank:
    """The part of this process of the network and the batches, and its communication with the other processes.

    All processes call each method at the same time; properties do not communicate.

    Args:
        mesh: the devices, and the position of this process.
        placement: how the network is split over them; None for one process.
    """

    def __init__(self, mesh: Mesh, placement: Placement | None) -> None:
        self.mesh, self.placement = mesh, placement

    @property
    def is_rank_zero(self) -> bool:
        """Whether this process prints, and writes the folder of the run."""
        return self.mesh.rank == 0

    @property
    def batch_shard(self) -> BatchShard:
        """The rows of each batch that this process reads, and those of which it computes the loss."""
        if self.placement is None:
            return BatchShard()
        placement, mesh = self.placement, self.mesh
        _, multiple = mesh.share([axis.name for axis in mesh.axes if axis.name in placement.image_axes])
        loss = mesh.share(placement.loss) if self._has_loss() else None
        return BatchShard(multiple, mesh.share(placement.images), loss)

    @property
    def reports_metrics(self) -> bool:
        """Whether this process adds its metrics to the total; of the processes with the same rows, one does."""
        if self.placement is None:
            return True
        of_its_own = {*self.placement.loss, *self.placement.loss_kept}
        return self._has_loss() and all(axis.index == 0 for axis in self.mesh.axes if axis.name not in of_its_own)

    def build(self, file: NetworkFile, seed: int) -> nn.Module:
        """This process's part of the network, with its initial values."""
        return file.build(seed) if self.placement is None else file.build_placed(seed, self.mesh)

    def gradient_sum(self, network: nn.Module) -> GradientSum | None:
        """Sums the gradients of a network over the processes; None for one process."""
        return None if self.placement is None else GradientSum(network, self.placement, self.mesh)

    def replicas(self, name: str) -> int:
        """The number of processes that have the same part of the tensor with this name."""
        if self.placement is None:
            return 1
        layers = self.placement.layers_of(name)
        parts = prod(self.mesh[axis].devices for axis in (*layers.split, *layers.kept))
        return self.mesh.devices // parts

    def sum(self, values: Tensor) -> Tensor:
        """The sum over all processes of a float64 vector on the CPU."""
        if self.mesh.devices > 1:
            dist.all_reduce(values)
        return values

    def any(self, flag: bool) -> bool:
        """Whether the flag is set on any process."""
        return bool(self.sum(torch.tensor([float(flag)], dtype=torch.float64)))

    def max(self, value: float) -> float:
        """The largest value of any process."""
        values = torch.tensor([value], dtype=torch.float64)
        if self.mesh.devices > 1:
            dist.all_reduce(values, op=dist.ReduceOp.MAX)
        return values.item()

    def on_rank_zero(self, make: Callable[[], Made]) -> Made:
        """Call `make` on rank 0, and return its result on all ranks.

        Raises:
            UserError: on every rank, if rank 0 raised it.
        """
        if self.mesh.devices == 1:
            return make()
        answer: list[Made | str] = [""]
        failed: UserError | None = None
        if self.is_rank_zero:
            try:
                answer = [make()]
            except UserError as mistake:
                failed = mistake
        worked = self.any(self.is_rank_zero and failed is None)
        if not worked:
            raise failed or ReportedElsewhere
        dist.broadcast_object_list(answer, src=0)
        return cast("Made", answer[0])

    def reported_once(self, mistake: UserError) -> UserError:
        """The exception to raise for an error that every process has found: only rank 0 reports it."""
        return mistake if self.is_rank_zero else ReportedElsewhere()

    def gather(self, tensors: Mapping[str, Tensor], names: Sequence[str]) -> dict[str, Tensor]:
        """The tensors of the whole network, in the order of `names`, gathered from the parts of all processes."""
        if self.placement is None:
            return {name: tensors[name] for name in names}
        gathered = gather_tensors(tensors, self.placement, self.mesh)
        return {name: gathered[name] for name in names}

    def shard(self, tensors: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """This process's part of whole tensors, by name."""
        return tensors if self.placement is None else shard_tensors(tensors, self.placement, self.mesh)

    def _has_loss(self) -> bool:
        assert self.placement is not None
        return all(self.mesh[axis].index == device for axis, device in self.placement.loss_kept.items())


def alone() -> Rank:
    """The rank of a training in one process."""
    return Rank(one_device(), None)
