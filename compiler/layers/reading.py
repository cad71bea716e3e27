"""The arguments `reads` and `towers`: the towers that a layer with weights reads, and those that it is split into."""

from __future__ import annotations

from typing import Annotated, Literal

from .arguments import Expects, one_of
from .kind import ArgumentEdit, Shape, ShapeError, TorchCall, in_grid
from .python_text import in_tuple

Reads = Annotated[Literal["tower", "row", "cross", "all"] | None, one_of("tower", "row", "cross", "all")]
OneTower = Annotated[Literal[1] | None, Expects("1, for a layer that is not split into towers", ("1",))]

CROSS_IMPORT = "from alexc.runtime.layers.towers import read_cross"


def towers_apart(reads: Reads, given: Shape, towers: int) -> int:
    """The number of groups that do not share kernels.

    That is the number of towers for `reads=tower` and `reads=cross`, of rows for `reads=row`, otherwise 1.

    Args:
        reads: the value in the spec, or None.
        given: the input shape.
        towers: the number of towers of the network.

    Raises:
        ShapeError: `reads` is missing and the input has towers, or it needs towers, or a grid, that are not there.
    """
    if given.towers > 1 and reads is None:
        raise ShapeError(
            "E0301",
            f"needs `reads`, because its input is split into {given.towers} towers",
            help="write `reads=tower` if each tower reads only its own maps, or `reads=all` if it reads all maps",
            edits=(ArgumentEdit("reads", "tower"), ArgumentEdit("reads", "all")),
        )
    if reads not in (None, "all") and given.towers != towers:
        raise ShapeError(
            "E0303",
            f"has `reads={reads}`, but its input is not split into towers",
            "reads",
            help="write `reads=all` or remove `reads`: every tower reads the whole input",
            edits=(ArgumentEdit("reads", "all"), ArgumentEdit("reads", None)),
        )
    grid = in_grid(towers)
    if reads in ("row", "cross") and min(grid.rows, grid.columns) < 2:
        raise ShapeError(
            "E0303",
            f"has `reads={reads}`, but the towers form no grid",
            "reads",
            help=f"write the towers in rows and columns, as in `towers 2x{max(2, grid // 2)}`",
        )
    return apart_in(reads, towers)


def apart_in(reads: Reads, towers: int) -> int:
    """The number of groups that do not share kernels, among these towers."""
    match reads:
        case "tower" | "cross":
            return int(towers)
        case "row":
            return in_grid(towers).rows
        case _:
            return 1


def tower_reads(reads: Reads, towers: int, tower: int, other: int) -> bool:
    """Whether one tower of a layer reads the maps of one tower of its input. Towers are counted from 0."""
    grid = in_grid(towers)
    (row, column), (other_row, other_column) = divmod(tower, grid.columns), divmod(other, grid.columns)
    match reads:
        case "row":
            return row == other_row
        case "cross":
            return row == other_row or column == other_column
        case "all":
            return True
        case _:
            return tower == other


def values_read(reads: Reads, values: int, given: Shape, towers: int) -> int:
    """How many of the input's `values` all `towers` read; a value that two towers read counts twice."""
    if reads != "cross":
        return values
    grid = in_grid(given.towers)
    return values // grid * (grid.rows + grid.columns - 1) * int(towers)


def reading_of_cross(reads: Reads, given: Shape, axes: tuple[str, ...]) -> tuple[TorchCall, ...]:
    """The call that copies the maps of each row and column, before a grouped layer; nothing for other layers."""
    if reads != "cross":
        return ()
    grid = in_grid(given.towers)
    arguments = [f"rows={grid.rows}", f"columns={grid.columns}", *([f"axes={in_tuple(axes)}"] if axes else [])]
    return (TorchCall("read_cross", tuple(arguments)),)


def towers_of_output(one: OneTower, reads: Reads, towers: int) -> int:
    """The number of towers into which the output of a layer is split.

    Args:
        one: the value of `towers` in the spec, or None.
        reads: the value of `reads`, or None.
        towers: the number of towers of the network.

    Raises:
        ShapeError: a layer of one tower would read as if it had several.
    """
    if one is None:
        return towers
    if towers > 1 and reads not in (None, "all"):
        raise ShapeError(
            "E0303",
            f"has `towers=1`, so it cannot have `reads={reads}`",
            "reads",
            help="write `reads=all`, or remove `towers=1`",
            edits=(ArgumentEdit("reads", "all"), ArgumentEdit("towers", None)),
        )
    return 1


def require_channels_together(given: Shape, what: str) -> None:
    """Raise a ShapeError if the channels of an input are split into towers; `what` completes "it cannot …"."""
    if given.towers > 1:
        raise ShapeError(
            "E0303",
            f"gets channels that are split into {given.towers} towers, which it cannot {what}",
            help="write `towers=1` in the layer before it",
            edits=(ArgumentEdit("towers", "1", before=True),),
        )


def require_even(what: str, count: int, towers: int, argument: str | None) -> None:
    """Raise a ShapeError if `count` kernels or units cannot be split into `towers` equal parts."""
    if count % towers:
        down, up = count - count % towers, count + towers - count % towers
        near = [str(each) for each in (down, up) if each]
        raise ShapeError(
            "E0302",
            f"has {count} {what}, which cannot be split evenly into {towers} towers",
            argument,
            help=f"use a multiple of {towers}, such as {' or '.join(near)}",
            edits=tuple(ArgumentEdit(argument, each) for each in near) if argument else (),
        )


def require_even_cut(what: str, count: int, apart: int, reads: Reads, devices: int) -> None:
    """Raise a ShapeError if devices cannot share `count` kernels or units evenly, without splitting a group.

    `apart` is the number of groups that do not read each other.
    """
    if apart > 1 and apart % devices:
        what = {"tower": "towers", "row": "rows of towers"}.get(reads or "", "groups")
        groups = f"{apart} {what} that each read only their own maps"
        evenly = [str(count) for count in range(2, apart + 1) if apart % count == 0]
        raise ShapeError(
            "E0404",
            f"has {groups}, and {devices} devices cannot share them evenly",
            help=f"use an axis of {' or '.join(evenly[-2:])} devices for this layer, or do not split its channels",
        )
    if count % devices:
        raise ShapeError(
            "E0404",
            f"has {count} {what}, which {devices} devices cannot share evenly",
            help=f"use a number of devices that divides {count}, or do not split the channels of this layer",
        )
