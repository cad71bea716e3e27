"""`add`: the elementwise sum of several layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from .kind import EachChannel, Join, Shape, ShapeError, TorchLayer, TorchOperator


class Add(EachChannel, Join):
    """Adds the output of the previous layer and of all named layers element by element, as residual networks do.

    An `add` at the start of a line adds only the layers that it names.
    """

    keyword: ClassVar[str] = "add"
    symmetric: ClassVar[bool] = True

    def join(self, given: Sequence[Shape], towers: int) -> Shape:  # noqa: ARG002
        """Equal shapes to the same shape."""
        first = given[0]
        for other in given[1:]:
            if other.sizes != first.sizes:
                raise ShapeError("E0305", f"needs equal shapes, but gets {first} and {other}")
            if other.towers != first.towers:
                raise ShapeError("E0305", "cannot join a layer that is split into towers and one that is not")
        return first

    def torch(self, given: Shape, output: Shape) -> TorchLayer:  # noqa: ARG002
        """The operator `+`."""
        return TorchOperator("+")
