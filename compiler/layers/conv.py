"""`conv`: convolution with shared weights."""

from __future__ import annotations

from typing import ClassVar

from alexc.compiler.arguments import Count, Margins, Sizes
from alexc.compiler.initial_values import InitialBias, InitialWeight, Kaiming
from alexc.compiler.layers.kind import Kind, Misfit, Shape, TorchCall, TorchModule, Weights, require_maps
from alexc.compiler.layers.reading import Reads, require_even, towers_apart
from alexc.compiler.layers.window import arguments_in_torch, places


class Conv(Kind):
    """Convolves feature maps with `kernels` kernels of `kernel` by `kernel` values, `stride` apart.

    `pad` zeros stand around the maps. `reads=tower` lets each kernel see only the maps of its own tower; `groups` cuts
    maps and kernels further, into groups that do not see each other.
    """

    keyword: ClassVar[str] = "conv"
    positional: ClassVar[tuple[str, ...]] = ("kernels",)

    kernels: Count
    kernel: Sizes
    stride: Sizes = (1, 1)
    pad: Margins = (0, 0)
    groups: Count = 1
    reads: Reads = None
    weight: InitialWeight = Kaiming()
    bias: InitialBias = 0.0

    def output(self, given: Shape, towers: int) -> Shape:
        """(channels, height, width) to (kernels, height', width')."""
        channels, height, width = require_maps(given)
        apart = towers_apart(self.reads, given, towers) * self.groups
        require_even("kernels", self.kernels, towers, "kernels")
        for what, count in (("maps that it reads", channels), ("kernels", self.kernels)):
            if count % apart:
                raise Misfit(
                    "E0302",
                    f"has {apart} groups, which cannot share evenly the {count} {what}",
                    "groups" if self.groups > 1 else "reads",
                )
        return Shape(
            (
                self.kernels,
                places(height, self.kernel[0], self.stride[0], self.pad[0], "high", "kernel"),
                places(width, self.kernel[1], self.stride[1], self.pad[1], "wide", "kernel"),
            ),
            towers,
        )

    def weights(self, given: Shape, output: Shape) -> Weights:
        """Kernels of (channels / groups, kernel height, kernel width)."""
        shape = (self.kernels, given.channels // self._groups_in_all(output), *self.kernel)
        return Weights(shape, 0 if self.bias is None else self.kernels, self.weight, self.bias)

    def multiply_adds(self, given: Shape, output: Shape) -> int:
        """Each output value: one for every weight of its kernel."""
        return output.values * (given.channels // self._groups_in_all(output)) * self.kernel[0] * self.kernel[1]

    def torch(self, given: Shape, output: Shape) -> TorchModule:
        """`nn.Conv2d`, grouped where towers or groups are apart."""
        arguments = [str(given.channels), str(self.kernels), *arguments_in_torch(self.kernel, self.stride, self.pad, 1)]
        groups = self._groups_in_all(output)
        if groups > 1:
            arguments.append(f"groups={groups}")
        if self.bias is None:
            arguments.append("bias=False")
        return TorchModule(TorchCall("nn.Conv2d", tuple(arguments)))

    def _groups_in_all(self, output: Shape) -> int:
        return self.groups * (output.towers if self.reads == "tower" else 1)
