"""`adaptive_avgpool`: means over as many windows as are asked for."""

from __future__ import annotations

from typing import ClassVar

from .arguments import Sizes
from .kind import EachChannel, Shape, TorchCall, TorchFunction, require_maps


class AdaptiveAvgpool(EachChannel):
    """Cuts each map into `size` by `size` windows, as equal as its sides allow, and takes the mean of each."""

    keyword: ClassVar[str] = "adaptive_avgpool"
    positional: ClassVar[tuple[str, ...]] = ("size",)

    size: Sizes

    def output(self, given: Shape, towers: int) -> Shape:  # noqa: ARG002
        """(channels, height, width) to (channels, size, size)."""
        channels, _, _ = require_maps(given)
        return Shape((channels, *self.size), given.towers)

    def torch(self, given: Shape, output: Shape) -> TorchFunction:  # noqa: ARG002
        """`F.adaptive_avg_pool2d`."""
        call = TorchCall("F.adaptive_avg_pool2d", (f"({self.size[0]}, {self.size[1]})",))
        return TorchFunction(call, ("import torch.nn.functional as F",))
