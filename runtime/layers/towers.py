"""Concatenation of layers that are split into towers."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def concat_towers(tensors: Sequence[Tensor], towers: int) -> Tensor:
    """Concatenate the channels of several tensors within each tower, so that each tower keeps its own channels.

    Args:
        tensors: each (N, C_i, ...), with its channels split into `towers` equal parts.
        towers: the number of towers.

    Returns:
        (N, sum of C_i, ...): tower 0's part of every tensor, then tower 1's, and so on.
    """
    parts = [
        tensor.reshape(tensor.shape[0], towers, tensor.shape[1] // towers, *tensor.shape[2:]) for tensor in tensors
    ]  # (N, towers, C_i / towers, ...)
    return torch.cat(parts, dim=2).flatten(1, 2)
