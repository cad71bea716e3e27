"""`subsample`: keeps every n-th value of each feature map, as cuda-convnet's `nailbed`."""

from __future__ import annotations

from typing import ClassVar

from .arguments import Sizes
from .kind import EachChannel, Shape, TorchCall, TorchFunction, require_maps


class Subsample(EachChannel):
    """Keeps every `stride`-th value of each feature map in both directions, without weights.

    The kept values lie in the middle of the map: a map of 224 with `stride` 4 keeps the places 2, 6, …, 222.
    """

    keyword: ClassVar[str] = "subsample"
    positional: ClassVar[tuple[str, ...]] = ("stride",)

    stride: Sizes

    def output(self, given: Shape, towers: int) -> Shape:  # noqa: ARG002
        """(channels, height, width) to (channels, height / stride, width / stride), rounded up."""
        channels, *sizes = require_maps(given)
        return Shape(
            (channels, *(-(-size // apart) for size, apart in zip(sizes, self.stride, strict=True))), given.towers
        )

    def torch(self, given: Shape, output: Shape) -> TorchFunction:  # noqa: ARG002
        """The runtime's `subsample`."""
        down, right = self.stride
        call = TorchCall("subsample", (str(down) if down == right else str(self.stride),))
        return TorchFunction(call, ("from alexc.runtime.layers.subsample import subsample",))
