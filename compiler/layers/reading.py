"""Which towers a layer with weights reads."""

from __future__ import annotations

from typing import Annotated, Literal

from .arguments import one_of
from .kind import Shape, ShapeError

Reads = Annotated[Literal["tower", "all"] | None, one_of("tower", "all")]


def towers_apart(reads: Reads, given: Shape, towers: int) -> int:
    """Into how many groups that do not see each other `reads` cuts the layer.

    Args:
        reads: what the spec says, or None.
        given: the shape that is read.
        towers: the network's towers.

    Raises:
        ShapeError: nothing is said where it matters, or `reads=tower` where there are no towers to read.
    """
    if given.towers > 1 and reads is None:
        raise ShapeError(
            "E0301",
            f"does not say which of the {given.towers} towers it reads",
            help="`reads=tower`: each tower reads its own maps only; `reads=all`: each reads those of all towers",
        )
    if reads == "tower" and given.towers != towers:
        raise ShapeError(
            "E0303",
            "reads its own tower, but what it is given is not cut into towers",
            "reads",
            help="every tower reads the whole image: write `reads=all`, or nothing",
        )
    return towers if reads == "tower" else 1


def require_even(what: str, count: int, towers: int, argument: str | None) -> None:
    """Check that `count` kernels or units can be cut into `towers` equal parts.

    Raises:
        ShapeError: they cannot.
    """
    if count % towers:
        down, up = count - count % towers, count + towers - count % towers
        near = f"{down} or {up}" if down else str(up)
        raise ShapeError(
            "E0302",
            f"has {count} {what}, which {towers} towers cannot share evenly",
            argument,
            help=f"a multiple of {towers}, such as {near}",
        )


def require_even_cut(what: str, count: int, apart: int, reads: Reads, devices: int) -> None:
    """Check that devices can share `count` kernels or units, in `apart` groups that do not see each other.

    Raises:
        ShapeError: they cannot.
    """
    if apart > 1 and apart % devices:
        groups = f"{apart} {'towers' if reads == 'tower' else 'groups'}, which each read their own maps"
        evenly = [str(count) for count in range(2, apart + 1) if apart % count == 0]
        raise ShapeError(
            "E0404",
            f"is cut into {groups}; {devices} devices cannot share them evenly",
            help=f"an axis of {' or '.join(evenly[-2:])} devices for this layer, or no split of its channels",
        )
    if count % devices:
        raise ShapeError(
            "E0404",
            f"has {count} {what}, which {devices} devices cannot share evenly",
            help=f"a number of devices that divides {count}, or no split of this layer's channels",
        )
