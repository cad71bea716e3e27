"""The base of `maxpool` and `avgpool`."""

from __future__ import annotations

from typing import Annotated, ClassVar

from .arguments import Margins, OptionalSizes, Sizes, one_of
from .kind import ArgumentEdit, EachChannel, Shape, ShapeError, require_maps
from .window import Rounding, arguments_in_torch, places


class Pooling(EachChannel):
    """Base of the kinds that reduce each window to one value."""

    positional: ClassVar[tuple[str, ...]] = ("window",)

    window: Sizes
    stride: OptionalSizes = None
    pad: Margins = (0, 0)
    round: Annotated[Rounding, one_of("floor", "ceil")] = "floor"

    def output(self, given: Shape, towers: int) -> Shape:  # noqa: ARG002
        """(channels, height, width) to (channels, height', width')."""
        channels, height, width = require_maps(given)
        largest = [min(pad, window // 2) for pad, window in zip(self.pad, self.window, strict=True)]
        for pad, window in zip(self.pad, self.window, strict=True):
            if pad > window // 2:
                raise ShapeError(
                    "E0303",
                    f"has a padding of {pad}, which is more than half of its window of {window}",
                    "pad",
                    f"use a padding of at most {window // 2}",
                    (ArgumentEdit("pad", "x".join(map(str, dict.fromkeys(largest)))),),
                )
        (down, right), (high, wide) = self.stride or self.window, self.window
        sides = (
            places(height, high, down, (self.pad[0], self.pad[0]), "high", "window", self.round),
            places(width, wide, right, (self.pad[1], self.pad[1]), "wide", "window", self.round),
        )
        return Shape((channels, *sides), given.towers)

    def arguments_in_torch(self) -> list[str]:
        """Window, stride, padding and rounding as arguments of torch's functions."""
        arguments = arguments_in_torch(self.window, self.stride or self.window, self.pad, self.window)
        return [*arguments, "ceil_mode=True"] if self.round == "ceil" else arguments
