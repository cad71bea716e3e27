"""The base of the kinds with kernels that slide over feature maps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from .arguments import Count, Padding, Sizes
from .initial_values import InitialBias, InitialWeight, Kaiming
from .kind import Cut, OnMesh, Shape, ShapeError, TorchCall, require_maps
from .reading import (
    CROSS_IMPORT,
    OneTower,
    Reads,
    apart_in,
    reading_of_cross,
    require_even,
    require_even_cut,
    towers_apart,
    towers_of_output,
    values_read,
)
from .trained import Trained
from .window import Sides, arguments_in_torch, places, sides_of


class Convolving(Trained):
    """Base of `conv` and `local`."""

    positional: ClassVar[tuple[str, ...]] = ("kernels",)

    kernels: Count
    kernel: Sizes
    stride: Sizes = (1, 1)
    pad: Padding = (0, 0, 0, 0)
    groups: Count = 1
    reads: Reads = None
    towers: OneTower = None
    weight: InitialWeight = Kaiming()
    bias: InitialBias = 0.0

    def output(self, given: Shape, towers: int) -> Shape:
        """(channels, height, width) to (kernels, height', width')."""
        _, height, width = require_maps(given)
        towers_apart(self.reads, given, towers)
        towers = towers_of_output(self.towers, self.reads, towers)
        require_even("kernels", self.kernels, towers, "kernels")
        made = Shape((self.kernels,), towers)
        apart, channels = self.groups_in_all(made), self.channels_read(given, made)
        for what, count in (("input maps", channels), ("kernels", self.kernels)):
            if count % apart:
                raise ShapeError(
                    "E0302",
                    f"cannot split {count} {what} evenly into {apart} groups",
                    "groups" if self.groups > 1 else "reads",
                )
        (high, wide), (down, right), (top, bottom, left, right_side) = self.reach(), self.stride, self.sides(given)
        return Shape(
            (
                self.kernels,
                places(height, high, down, (top, bottom), "high", "kernel"),
                places(width, wide, right, (left, right_side), "wide", "kernel"),
            ),
            towers,
        )

    def cut(self, given: Sequence[Shape], output: Shape, devices: int) -> Cut | None:  # noqa: ARG002
        """A share of the kernels: whole groups if kernels read only the maps of their group."""
        apart = self.groups_in_all(output)
        require_even_cut("kernels", self.kernels, apart, self.reads, devices)
        if self.reads == "cross":
            return Cut(self.model_copy(update={"kernels": self.kernels // devices}), reads_all=True)
        groups = apart // devices if apart > 1 else 1
        part = self.model_copy(update={"kernels": self.kernels // devices, "groups": groups, "reads": None})
        return Cut(part, reads_all=apart == 1)

    def reach(self) -> tuple[int, int]:
        """The height and width that a kernel covers."""
        return self.kernel

    def sides(self, given: Shape) -> Sides:
        """The number of zeros at the top, bottom, left and right."""
        return sides_of(self.pad, given, self.reach(), self.stride)

    def unread(self, given: Shape) -> tuple[int, int]:
        """The number of rows at the bottom and of columns at the right that no kernel reads."""
        (high, wide), (down, right), (top, bottom, left, right_side) = self.reach(), self.stride, self.sides(given)
        _, height, width = given.sizes
        rows = (height + top + bottom - high) % down - bottom
        return max(rows, 0), max((width + left + right_side - wide) % right - right_side, 0)

    def weights_per_kernel(self, given: Shape, output: Shape) -> int:
        """The number of values that a kernel reads at one place."""
        return self.channels_read(given, output) // self.groups_in_all(output) * self.kernel[0] * self.kernel[1]

    def channels_read(self, given: Shape, output: Shape) -> int:
        """The number of maps that all groups read together; with `reads=cross` several groups read the same map."""
        return values_read(self.reads, given.channels, given, output.towers)

    def groups_in_all(self, output: Shape) -> int:
        """The number of groups that do not read each other, over all towers."""
        return self.groups * apart_in(self.reads, output.towers)

    def arguments_in_torch(self, given: Shape) -> list[str]:
        """Kernel size and stride, and the padding if it is the same on opposite sides."""
        top, bottom, left, right = self.sides(given)
        even = (top, left) if (top, left) == (bottom, right) else (0, 0)
        return arguments_in_torch(self.kernel, self.stride, even, 1)

    def padding_before(self, given: Shape) -> TorchCall | None:
        """The call of `F.pad` if opposite sides differ, which torch's layers do not support; otherwise None."""
        top, bottom, left, right = self.sides(given)
        if (top, left) == (bottom, right):
            return None
        return TorchCall("F.pad", (f"({left}, {right}, {top}, {bottom})",))

    def calls_before(self, given: Shape, place: OnMesh) -> tuple[tuple[TorchCall, ...], tuple[str, ...]]:
        """The functions that are called on the input before the layer, and their imports."""
        padding = self.padding_before(given)
        cross = reading_of_cross(self.reads, given, place.channels)
        imports = ("import torch.nn.functional as F",) if padding else ()
        return ((padding,) if padding else ()) + cross, imports + ((CROSS_IMPORT,) if cross else ())
