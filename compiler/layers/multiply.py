"""`multiply`: the elementwise product of several layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from .kind import EachChannel, Join, Shape, ShapeError, TorchOperator


class Multiply(EachChannel, Join):
    """Multiplies the output of the previous layer and of all named layers element by element.

    A layer with one value per map, such as the output of `global_avgpool` or `adaptive_avgpool 1`, multiplies all
    values of that map, as in squeeze-and-excitation (Hu et al. 2017). A `multiply` at the start of a line multiplies
    only the layers that it names.
    """

    keyword: ClassVar[str] = "multiply"
    symmetric: ClassVar[bool] = True

    def join(self, given: Sequence[Shape], towers: int) -> Shape:  # noqa: ARG002
        """Equal shapes, and shapes with one value per map, to the largest of them."""
        largest = max(given, key=lambda shape: (shape.values, len(shape.sizes)))
        for other in given:
            one_per_map = other.values == other.channels
            if other.channels != largest.channels or not (one_per_map or other.sizes == largest.sizes):
                message = f"needs equal shapes, or one value per map, but gets {largest} and {other}"
                raise ShapeError("E0305", message)
            if other.towers != largest.towers:
                raise ShapeError("E0305", "cannot multiply a layer that is split into towers and one that is not")
        return largest

    def torch(self, given: Shape, output: Shape) -> TorchOperator:  # noqa: ARG002
        """The operator `*`."""
        return TorchOperator("*")
