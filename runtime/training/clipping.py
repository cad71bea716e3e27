"""Gradients cut to a bound before the step, alike on every mesh."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .. import recipes
from ..parallel.rank import Rank

_EPSILON = 1e-6  # torch's clip_grad_norm_ adds it to the norm, too


def clip_gradients(network: nn.Module, steps: Sequence[recipes.ClipNorm | recipes.ClipValue], rank: Rank) -> None:
    """Change the gradients of a network as a recipe says, one step after the other.

    Args:
        network: what this process has of it, with the gradients of the whole batch.
        steps: the recipe's.
        rank: of several processes each has a part of the gradients; the norm is that of the whole.
    """
    gradients = {name: weight.grad for name, weight in network.named_parameters() if weight.grad is not None}
    values = list(gradients.values())  # none where all layers of this process are frozen
    for step in steps:
        if isinstance(step, recipes.ClipValue):
            for value in values:
                value.clamp_(-step.largest, step.largest)
        else:
            share = step.largest / (_norm(gradients, rank) + _EPSILON)
            if share < 1 and values:
                torch._foreach_mul_(values, share)


def _norm(gradients: dict[str, Tensor], rank: Rank) -> float:
    """The Euclidean norm of all gradients of the whole network, each counted once."""
    norms = torch._foreach_norm(list(gradients.values())) if gradients else []
    squares = [norm.item() ** 2 / rank.copies(name) for name, norm in zip(gradients, norms, strict=True)]
    return float(rank.sum(torch.tensor([sum(squares)], dtype=torch.float64)).sqrt())
