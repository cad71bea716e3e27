"""`adaptive_avgpool`: average pooling to a fixed output size."""

from __future__ import annotations

from typing import ClassVar

from .arguments import Sizes
from .kind import EachChannel, Shape, TorchCall, TorchFunction, require_maps


class AdaptiveAvgpool(EachChannel):
    """Divides each feature map into `size` by `size` windows of almost equal size and takes the mean of each window."""

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
