"""Gradient clipping, with the same result on every mesh."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .. import recipes
from ..parallel.rank import Rank

_EPSILON = 1e-6  # added to the norm, as torch's clip_grad_norm_ does


def clip_gradients(network: nn.Module, steps: Sequence[recipes.GradientStep], rank: Rank) -> None:
    """Clip the gradients of a network in place, by each step of the recipe in turn.

    Args:
        network: the part of the network that this rank has, with the gradients of the whole batch.
        steps: the clipping steps of the recipe.
        rank: this process; the norm is that of the gradients of all ranks.
    """
    gradients = {name: weight.grad for name, weight in network.named_parameters() if weight.grad is not None}
    values = list(gradients.values())  # empty if all layers of this rank are frozen
    for step in steps:
        if isinstance(step, recipes.ClipValue):
            for value in values:
                value.clamp_(-step.largest, step.largest)
        else:
            factor = (step.largest / (_norm(gradients, rank) + _EPSILON)).clamp(max=1)
            if values and (factor.device.type != "cpu" or factor < 1):  # a GPU is not asked
                torch._foreach_mul_(values, factor if factor.device == values[0].device else float(factor))


def _norm(gradients: dict[str, Tensor], rank: Rank) -> Tensor:
    """The Euclidean norm of all gradients of the whole network, each counted once: (), float64.

    It is on the device of the gradients, or on the CPU for Apple's GPUs, which have no float64.
    """
    squares = torch.zeros((), dtype=torch.float64)
    if gradients:
        norms = torch.stack(torch._foreach_norm(list(gradients.values())))
        norms = (norms.cpu() if norms.device.type == "mps" else norms).double()
        replicas = torch.tensor([rank.replicas(name) for name in gradients])
        squares = (norms**2 / replicas.to(norms.device, non_blocking=True)).sum()
    if rank.mesh.devices > 1:
        squares = rank.sum(squares.cpu()).to(squares.device)
    return squares.sqrt()
