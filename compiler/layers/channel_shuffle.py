"""`channel_shuffle`: mixes the feature maps of several groups (Zhang et al. 2017)."""

from __future__ import annotations

from typing import ClassVar

from .arguments import Count
from .kind import Kind, Shape, ShapeError, TorchCall, TorchFunction, require_maps


class ChannelShuffle(Kind):
    """Divides the feature maps into `groups` groups and takes a map of each group in turn, as ShuffleNet does.

    With 6 maps and 2 groups the new order is 0, 3, 1, 4, 2, 5. The groups are those of all towers.
    """

    keyword: ClassVar[str] = "channel_shuffle"
    positional: ClassVar[tuple[str, ...]] = ("groups",)

    groups: Count

    def output(self, given: Shape, towers: int) -> Shape:  # noqa: ARG002
        """The same shape."""
        channels, _, _ = require_maps(given)
        if channels % self.groups:
            message = f"cannot split {channels} maps evenly into {self.groups} groups"
            raise ShapeError("E0302", message, "groups")
        return given

    def torch(self, given: Shape, output: Shape) -> TorchFunction:  # noqa: ARG002
        """`F.channel_shuffle`."""
        call = TorchCall("F.channel_shuffle", (f"groups={self.groups}",))
        return TorchFunction(call, ("import torch.nn.functional as F",))
