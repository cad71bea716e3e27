"""The argument `reads`: the towers that a layer with weights reads."""

from __future__ import annotations

from typing import Annotated, Literal

from .arguments import one_of
from .kind import Shape, ShapeError

Reads = Annotated[Literal["tower", "all"] | None, one_of("tower", "all")]


def towers_apart(reads: Reads, given: Shape, towers: int) -> int:
    """The number of groups that do not read each other: `towers` for `reads=tower`, otherwise 1.

    Args:
        reads: the value in the spec, or None.
        given: the input shape.
        towers: the number of towers of the network.

    Raises:
        ShapeError: `reads` is missing and the input has towers, or `reads=tower` and the input has no towers.
    """
    if given.towers > 1 and reads is None:
        raise ShapeError(
            "E0301",
            f"needs `reads`, because its input is split into {given.towers} towers",
            help="write `reads=tower` if each tower reads only its own maps, or `reads=all` if it reads all maps",
        )
    if reads == "tower" and given.towers != towers:
        raise ShapeError(
            "E0303",
            "has `reads=tower`, but its input is not split into towers",
            "reads",
            help="write `reads=all` or remove `reads`: every tower reads the whole input",
        )
    return towers if reads == "tower" else 1


def require_even(what: str, count: int, towers: int, argument: str | None) -> None:
    """Raise a ShapeError if `count` kernels or units cannot be split into `towers` equal parts."""
    if count % towers:
        down, up = count - count % towers, count + towers - count % towers
        near = f"{down} or {up}" if down else str(up)
        raise ShapeError(
            "E0302",
            f"has {count} {what}, which cannot be split evenly into {towers} towers",
            argument,
            help=f"use a multiple of {towers}, such as {near}",
        )


def require_even_cut(what: str, count: int, apart: int, reads: Reads, devices: int) -> None:
    """Raise a ShapeError if devices cannot share `count` kernels or units evenly, without splitting a group.

    `apart` is the number of groups that do not read each other.
    """
    if apart > 1 and apart % devices:
        groups = f"{apart} {'towers' if reads == 'tower' else 'groups'} that each read only their own maps"
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
