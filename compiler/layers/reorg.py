"""`reorg`: cuts feature maps into smaller ones, as in YOLOv2 (Redmon and Farhadi 2017)."""

from __future__ import annotations

from typing import ClassVar

from .arguments import Count
from .kind import Kind, Shape, ShapeError, TorchCall, TorchFunction, require_maps
from .reading import require_channels_together


class Reorg(Kind):
    """Makes `stride` * `stride` times as many feature maps, whose height and width are divided by `stride`.

    It only moves values, in the order of darknet's layer `reorg`.
    """

    keyword: ClassVar[str] = "reorg"
    positional: ClassVar[tuple[str, ...]] = ("stride",)

    stride: Count

    def output(self, given: Shape, towers: int) -> Shape:  # noqa: ARG002
        """(channels, height, width) to (channels * stride * stride, height / stride, width / stride)."""
        channels, height, width = require_maps(given)
        require_channels_together(given, "cut")
        if height % self.stride or width % self.stride or channels % self.stride**2:
            message = (
                f"cannot cut {given} evenly: {self.stride} must divide height and width, and {self.stride**2} the "
                "number of maps"
            )
            raise ShapeError("E0302", message, "stride")
        return Shape((channels * self.stride**2, height // self.stride, width // self.stride))

    def torch(self, given: Shape, output: Shape) -> TorchFunction:  # noqa: ARG002
        """The runtime's `reorg`."""
        call = TorchCall("reorg", (f"stride={self.stride}",))
        return TorchFunction(call, ("from alexc.runtime.layers.reorg import reorg",))
