"""`local`: locally connected layer, as in cuda-convnet's networks for CIFAR-10."""

from __future__ import annotations

from math import prod
from typing import ClassVar

from .convolving import Convolving
from .kind import Shape, TorchCall, TorchModule, Weights


class Local(Convolving):
    """A convolution without shared weights: every place of the output has its own kernels and biases."""

    keyword: ClassVar[str] = "local"

    def weights(self, given: Shape, output: Shape) -> Weights:
        """(output values, channels / groups, kernel height, kernel width), and one bias per output value."""
        shape = (output.values, given.channels // self.groups_in_all(output), *self.kernel)
        return Weights(shape, 0 if self.bias is None else output.values, self.weight, self.bias)

    def multiply_adds(self, given: Shape, output: Shape) -> int:
        """One per weight."""
        return prod(self.weights(given, output).shape)

    def torch(self, given: Shape, output: Shape) -> TorchModule:
        """The runtime's `LocalConv2d`."""
        before = self.padding_before(given)
        _, height, width = given.sizes
        if before is not None:
            top, bottom, left, right = self.sides(given)
            height, width = height + top + bottom, width + left + right
        arguments = [str(given.channels), str(self.kernels), f"({height}, {width})", *self.arguments_in_torch(given)]
        groups = self.groups_in_all(output)
        if groups > 1:
            arguments.append(f"groups={groups}")
        if self.bias is None:
            arguments.append("bias=False")
        imports = ("from alexc.runtime.layers.local_convolution import LocalConv2d", *self.imports_of_padding(given))
        return TorchModule(TorchCall("LocalConv2d", tuple(arguments)), imports, before)
