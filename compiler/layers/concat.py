"""`concat`: the channels of several layers, one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from .kind import Cut, Join, Shape, ShapeError, TorchCall, TorchJoin


class Concat(Join):
    """Concatenates the channels of the previous layer and of all named layers.

    A `concat` at the start of a line concatenates only the layers that it names. Layers that are split into towers are
    joined tower by tower: each tower of the result has its part of every layer.
    """

    keyword: ClassVar[str] = "concat"

    def join(self, given: Sequence[Shape], towers: int) -> Shape:  # noqa: ARG002
        """(c1, h, w), (c2, h, w) … to (c1 + c2 + …, h, w)."""
        first = given[0]
        for other in given[1:]:
            if other.sizes[1:] != first.sizes[1:]:
                raise ShapeError("E0305", f"needs maps of equal height and width, but gets {first} and {other}")
            if other.towers != first.towers:
                raise ShapeError("E0305", "cannot join a layer that is split into towers and one that is not")
        return Shape((sum(shape.channels for shape in given), *first.sizes[1:]), first.towers)

    def cut(self, given: Sequence[Shape], output: Shape, devices: int) -> Cut | None:
        """Whole towers. Without towers, a device's share of the result is not in its shares of the inputs."""
        return None if output.towers % devices or any(shape.channels % devices for shape in given) else Cut(self)

    def torch(self, given: Shape, output: Shape) -> TorchJoin:  # noqa: ARG002
        """`torch.cat`, or the runtime's `concat_towers`."""
        if output.towers == 1:
            return TorchJoin(TorchCall("torch.cat", ("dim=1",)), ("import torch",))
        return TorchJoin(
            TorchCall("concat_towers", (f"towers={output.towers}",)),
            ("from alexc.runtime.layers.towers import concat_towers",),
        )
