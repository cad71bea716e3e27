"""`conv`: convolution."""

from __future__ import annotations

from typing import ClassVar

from .arguments import Sizes
from .convolving import Convolving
from .kind import OnMesh, Shape, TorchCall, TorchModule, Weights


class Conv(Convolving):
    """Convolves its input with `kernels` kernels of `kernel` by `kernel` values, moved by `stride`.

    `pad` is the number of zeros on every side of the maps, or `sides(top, bottom, left, right)`. With `pad=same` only
    the stride makes the maps smaller; if the number of zeros is odd, the extra one is at the bottom or on the right.
    `dilation` is the distance between the values of a kernel. With `reads=tower` each kernel reads only the maps of
    its own tower, with `reads=row` those of the towers of its row, and with `reads=cross` those of its row and its
    column in a grid of towers. With `towers=1` the kernels are not split into towers. `groups` splits maps and kernels
    into groups that do not read each other, as in PyTorch.
    """

    keyword: ClassVar[str] = "conv"

    dilation: Sizes = (1, 1)

    def reach(self) -> tuple[int, int]:
        """The height and width that a kernel covers with its dilation."""
        high, wide = (apart * (size - 1) + 1 for size, apart in zip(self.kernel, self.dilation, strict=True))
        return high, wide

    def weights(self, given: Shape, output: Shape) -> Weights:
        """(kernels, channels / groups, kernel height, kernel width)."""
        shape = (self.kernels, self.channels_read(given, output) // self.groups_in_all(output), *self.kernel)
        return Weights(shape, 0 if self.bias is None else self.kernels, self.weight, self.bias)

    def multiply_adds(self, given: Shape, output: Shape) -> int:
        """One per output value and weight of its kernel."""
        return output.values * self.weights_per_kernel(given, output)

    def torch(self, given: Shape, output: Shape) -> TorchModule:
        """`nn.Conv2d`, with groups for towers and groups that do not read each other."""
        return self.torch_on_mesh(given, output, OnMesh())

    def torch_on_mesh(self, given: Shape, output: Shape, place: OnMesh) -> TorchModule:
        """The same; with `reads=cross` the device takes the maps that its own towers read."""
        channels = self.channels_read(given, output)
        arguments = [str(channels), str(self.kernels), *self.arguments_in_torch(given)]
        if self.dilation != (1, 1):
            down, right = self.dilation
            arguments.append(f"dilation={down if down == right else (down, right)}")
        groups = self.groups_in_all(output)
        if groups > 1:
            arguments.append(f"groups={groups}")
        if self.bias is None:
            arguments.append("bias=False")
        before, imports = self.calls_before(given, place)
        return TorchModule(TorchCall("nn.Conv2d", tuple(arguments)), imports, before)
