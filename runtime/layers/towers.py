"""Layers that are split into towers: their concatenation, and what a tower reads in a grid of towers."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..parallel.mesh import Axis, share
from .torch_only.towers import copy_crosses


def concat_towers(tensors: Sequence[Tensor], towers: int) -> Tensor:
    """Concatenate channels within each tower: a tower keeps its own channels.

    Args:
        tensors: each (N, C_i, ...), with its channels split into `towers` equal parts.
        towers: the number of towers.

    Returns:
        (N, sum of C_i, ...): tower 0's part of every tensor, then tower 1's, and so on.
    """
    parts = []
    for tensor in tensors:
        images, channels, *sizes = tensor.shape
        parts.append(tensor.reshape(images, towers, channels // towers, *sizes))
    return torch.cat(parts, dim=2).flatten(1, 2)


def read_cross(x: Tensor, rows: int, columns: int, axes: Sequence[Axis] = ()) -> Tensor:
    """Copy, for each tower of a grid, the parts of all towers in its row and its column, in the order of the towers.

    Args:
        x: (N, C, ...), with its channels split into rows * columns equal parts, row by row.
        rows: the rows of the grid.
        columns: the columns of the grid.
        axes: the axes of the mesh that share the towers, outermost first; then only the towers of this process count.

    Returns:
        (N, towers * (rows + columns - 1) * C / (rows * columns), ...).
    """
    count = rows * columns
    index, devices = share(axes)
    return copy_crosses(x, rows, columns, range(index * count // devices, (index + 1) * count // devices))
