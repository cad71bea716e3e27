"""`local`: locally connected layer, as in cuda-convnet's networks for CIFAR-10."""

from __future__ import annotations

from math import prod
from typing import ClassVar

from .convolving import Convolving
from .kind import OnMesh, Shape, TorchCall, TorchModule, Weights


class Local(Convolving):
    """A convolution without shared weights: every place of the output has its own kernels and biases."""

    keyword: ClassVar[str] = "local"

    def weights(self, given: Shape, output: Shape) -> Weights:
        """(output values, channels / groups, kernel height, kernel width), and one bias per output value."""
        shape = (output.values, self.channels_read(given, output) // self.groups_in_all(output), *self.kernel)
        return Weights(shape, 0 if self.bias is None else output.values, self.weight, self.bias)

    def multiply_adds(self, given: Shape, output: Shape) -> int:
        """One per weight."""
        return prod(self.weights(given, output).shape)

    def torch(self, given: Shape, output: Shape) -> TorchModule:
        """The runtime's `LocalConv2d`."""
        return self.torch_on_mesh(given, output, OnMesh())

    def torch_on_mesh(self, given: Shape, output: Shape, place: OnMesh) -> TorchModule:
        """The same; with `reads=cross` the device takes the maps that its own towers read."""
        before, imports = self.calls_before(given, place)
        _, height, width = given.sizes
        if self.padding_before(given) is not None:
            top, bottom, left, right = self.sides(given)
            height, width = height + top + bottom, width + left + right
        channels = self.channels_read(given, output)
        arguments = [str(channels), str(self.kernels), f"({height}, {width})", *self.arguments_in_torch(given)]
        groups = self.groups_in_all(output)
        if groups > 1:
            arguments.append(f"groups={groups}")
        if self.bias is None:
            arguments.append("bias=False")
        imports = ("from alexc.runtime.layers.local_convolution import LocalConv2d", *imports)
        return TorchModule(TorchCall("LocalConv2d", tuple(arguments)), imports, before)
