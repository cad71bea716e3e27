"""`add`: the sum of several layers, value by value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from .kind import Cut, Join, Shape, ShapeError, TorchOperator


class Add(Join):
    """Adds all layers that it names, and what flows in, value by value: the shortcut of residual networks."""

    keyword: ClassVar[str] = "add"

    def join(self, given: Sequence[Shape], towers: int) -> Shape:  # noqa: ARG002
        """Equal shapes to the same shape."""
        first = given[0]
        for other in given[1:]:
            if other.sizes != first.sizes:
                raise ShapeError("E0305", f"adds equal shapes, but is given {first} and {other}")
            if other.towers != first.towers:
                raise ShapeError("E0305", "adds layers that are cut into towers to layers that are not")
        return first

    def cut(self, given: Sequence[Shape], output: Shape, devices: int) -> Cut | None:  # noqa: ARG002
        """Each channel by itself."""
        return None if any(shape.channels % devices for shape in given) else Cut(self)

    def torch(self, given: Shape, output: Shape) -> TorchOperator:  # noqa: ARG002
        """The operator `+`."""
        return TorchOperator("+")
