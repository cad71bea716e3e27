"""`concat`: the channels of several layers one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from .kind import Cut, Join, Shape, ShapeError, TorchCall, TorchJoin


class Concat(Join):
    """Puts the channels of all layers that it names, and of what flows in, one after the other.

    Layers that are cut into towers are joined tower by tower, so that each tower holds its own part of every one.
    """

    keyword: ClassVar[str] = "concat"

    def join(self, given: Sequence[Shape], towers: int) -> Shape:  # noqa: ARG002
        """(c1, h, w), (c2, h, w) … to (c1 + c2 + …, h, w)."""
        first = given[0]
        for other in given[1:]:
            if other.sizes[1:] != first.sizes[1:]:
                raise ShapeError("E0305", f"joins channels of one size, but is given {first} and {other}")
            if other.towers != first.towers:
                raise ShapeError("E0305", "joins layers that are cut into towers with layers that are not")
        return Shape((sum(shape.channels for shape in given), *first.sizes[1:]), first.towers)

    def cut(self, given: Sequence[Shape], output: Shape, devices: int) -> Cut | None:
        """Tower by tower; without towers no device's share of the result lies in its shares of what is joined."""
        return None if output.towers % devices or any(shape.channels % devices for shape in given) else Cut(self)

    def torch(self, given: Shape, output: Shape) -> TorchJoin:  # noqa: ARG002
        """`torch.cat`, or the runtime's `concat_towers`."""
        if output.towers == 1:
            return TorchJoin(TorchCall("torch.cat", ("dim=1",)), ("import torch",))
        return TorchJoin(
            TorchCall("concat_towers", (f"towers={output.towers}",)),
            ("from alexc.runtime.layers.towers import concat_towers",),
        )
