"""Which towers a layer with weights reads."""

from __future__ import annotations

from typing import Annotated, Literal

from alexc.compiler.arguments import one_of
from alexc.compiler.layers.kind import Misfit, Shape

Reads = Annotated[Literal["tower", "all"] | None, one_of("tower", "all")]


def towers_apart(reads: Reads, given: Shape, towers: int) -> int:
    """Into how many groups that do not see each other `reads` cuts the layer.

    Args:
        reads: what the spec says, or None.
        given: the shape that is read.
        towers: the network's towers.

    Raises:
        Misfit: nothing is said where it matters, or `reads=tower` where there are no towers to read.
    """
    if given.towers > 1 and reads is None:
        raise Misfit(
            "E0301",
            f"does not say which of the {given.towers} towers it reads",
            help="`reads=tower`: each tower reads its own maps only; `reads=all`: each reads those of all towers",
        )
    if reads == "tower" and given.towers != towers:
        raise Misfit(
            "E0303",
            "reads its own tower, but what it is given is not cut into towers",
            "reads",
            help="every tower reads the whole image: write `reads=all`, or nothing",
        )
    return towers if reads == "tower" else 1


def require_even(what: str, count: int, towers: int, argument: str | None) -> None:
    """Check that `count` kernels or units can be cut into `towers` equal parts.

    Raises:
        Misfit: they cannot.
    """
    if count % towers:
        down, up = count - count % towers, count + towers - count % towers
        near = f"{down} or {up}" if down else str(up)
        raise Misfit(
            "E0302",
            f"has {count} {what}, which {towers} towers cannot share evenly",
            argument,
            help=f"a multiple of {towers}, such as {near}",
        )
