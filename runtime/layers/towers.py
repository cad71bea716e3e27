"""Joining layers that are cut into towers."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def concat_towers(tensors: Sequence[Tensor], towers: int) -> Tensor:
    """The channels of several tensors one after the other in each tower, so that a tower keeps what is its own.

    Args:
        tensors: each (N, C_i, ...), with its channels cut into `towers` equal parts.
        towers: the number of towers.

    Returns:
        (N, sum of C_i, ...): tower 0's part of every tensor, then tower 1's, and so on.
    """
    parts = [
        tensor.reshape(tensor.shape[0], towers, tensor.shape[1] // towers, *tensor.shape[2:]) for tensor in tensors
    ]  # (N, towers, C_i / towers, ...)
    return torch.cat(parts, dim=2).flatten(1, 2)
