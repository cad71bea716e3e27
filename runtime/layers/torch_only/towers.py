"""What a tower reads in a grid of towers."""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor


def read_cross(x: Tensor, rows: int, columns: int) -> Tensor:
    """Copy the parts of all towers in the row and the column of each tower of a grid.

    Args:
        x: (N, C, ...), with its channels split into rows * columns equal parts, row by
            row.
        rows: the rows of the grid.
        columns: the columns of the grid.

    Returns:
        (N, C * (rows + columns - 1), ...), the parts of the first tower first.
    """
    return copy_crosses(x, rows, columns, range(rows * columns))


def copy_crosses(x: Tensor, rows: int, columns: int, towers: Iterable[int]) -> Tensor:
    """`read_cross` for some towers.

    Each of them reads (rows + columns - 1) * C / (rows * columns) channels.
    """
    count = rows * columns
    read = [
        other
        for tower in towers
        for other in range(count)
        if other // columns == tower // columns or other % columns == tower % columns
    ]
    # (N, towers, C / towers, ...)
    parts = x.reshape(x.shape[0], count, x.shape[1] // count, *x.shape[2:])
    return parts[:, read].flatten(1, 2)
