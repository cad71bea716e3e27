"""`widen`: appends channels of zeros."""

from __future__ import annotations

from typing import ClassVar

from .arguments import Count
from .kind import Kind, Shape, ShapeError, TorchCall, TorchFunction
from .reading import require_channels_together


class Widen(Kind):
    """Appends feature maps, or units, of zeros until there are `channels` of them.

    Before an `add`, it is a shortcut without weights to a wider layer, as in the residual networks for CIFAR-10 (He et
    al. 2015, option A) and in darknet.
    """

    keyword: ClassVar[str] = "widen"
    positional: ClassVar[tuple[str, ...]] = ("channels",)

    channels: Count

    def output(self, given: Shape, towers: int) -> Shape:  # noqa: ARG002
        """(channels, height, width) to (`channels`, height, width)."""
        require_channels_together(given, "widen")
        if self.channels < given.channels:
            message = f"makes {self.channels} channels, but there are already {given.channels}"
            raise ShapeError("E0303", message, "channels", "`slice` keeps some of the channels")
        return Shape((self.channels, *given.sizes[1:]))

    def torch(self, given: Shape, output: Shape) -> TorchFunction:
        """`F.pad`."""
        sides = (0, 0) * (len(given.sizes) - 1)  # of the last dimension first
        call = TorchCall("F.pad", (str((*sides, 0, output.channels - given.channels)),))
        return TorchFunction(call, ("import torch.nn.functional as F",))
