"""`maxpool`: the largest value of each window."""

from __future__ import annotations

from typing import Annotated, ClassVar

from alexc.compiler.arguments import Margins, OptionalSizes, Sizes, one_of
from alexc.compiler.layers.kind import Kind, Misfit, Shape, TorchCall, TorchFunction, require_maps
from alexc.compiler.layers.window import Rounding, arguments_in_torch, places


class Maxpool(Kind):
    """Takes the largest value of each window of `window` by `window`, `stride` apart.

    `stride` is the window's size where nothing is said; with less the windows overlap. `round=ceil` lets a last window
    hang over the edge, as Caffe and cuda-convnet do; torch's `floor` does not.
    """

    keyword: ClassVar[str] = "maxpool"
    positional: ClassVar[tuple[str, ...]] = ("window",)

    window: Sizes
    stride: OptionalSizes = None
    pad: Margins = (0, 0)
    round: Annotated[Rounding, one_of("floor", "ceil")] = "floor"

    def output(self, given: Shape, towers: int) -> Shape:  # noqa: ARG002
        """(channels, height, width) to (channels, height', width')."""
        channels, height, width = require_maps(given)
        for pad, window in zip(self.pad, self.window, strict=True):
            if pad > window // 2:
                raise Misfit(
                    "E0303",
                    f"has a padding of {pad}, more than half its window of {window}",
                    "pad",
                    f"at most {window // 2}",
                )
        stride = self.stride or self.window
        sides = (
            places(height, self.window[0], stride[0], self.pad[0], "high", "window", self.round),
            places(width, self.window[1], stride[1], self.pad[1], "wide", "window", self.round),
        )
        return Shape((channels, *sides), given.towers)

    def torch(self, given: Shape, output: Shape) -> TorchFunction:  # noqa: ARG002
        """`F.max_pool2d`."""
        arguments = arguments_in_torch(self.window, self.stride or self.window, self.pad, self.window)
        if self.round == "ceil":
            arguments.append("ceil_mode=True")
        return TorchFunction(TorchCall("F.max_pool2d", tuple(arguments)), ("import torch.nn.functional as F",))
