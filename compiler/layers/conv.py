"""`conv`: convolution with shared weights."""

from __future__ import annotations

from typing import ClassVar

from .arguments import Sizes
from .convolving import Convolving
from .kind import Shape, TorchCall, TorchModule, Weights


class Conv(Convolving):
    """Convolves feature maps with `kernels` kernels of `kernel` by `kernel` values, `stride` apart.

    `pad` zeros stand around the maps: as many at each side, or `pad=sides(top, bottom, left, right)`; `pad=same` puts
    so many that only the stride makes the maps smaller, an odd one at the bottom and at the right. A kernel's values
    are `dilation` apart. `reads=tower` lets each kernel see only the maps of its own tower; `groups` cuts maps and
    kernels further, into groups that do not see each other.
    """

    keyword: ClassVar[str] = "conv"

    dilation: Sizes = (1, 1)

    def reach(self) -> tuple[int, int]:
        """How many values a kernel spans with its gaps, down and across."""
        high, wide = (apart * (size - 1) + 1 for size, apart in zip(self.kernel, self.dilation, strict=True))
        return high, wide

    def weights(self, given: Shape, output: Shape) -> Weights:
        """Kernels of (channels / groups, kernel height, kernel width)."""
        shape = (self.kernels, given.channels // self.groups_in_all(output), *self.kernel)
        return Weights(shape, 0 if self.bias is None else self.kernels, self.weight, self.bias)

    def multiply_adds(self, given: Shape, output: Shape) -> int:
        """Each output value: one for every weight of its kernel."""
        return output.values * self.weights_per_kernel(given, output)

    def torch(self, given: Shape, output: Shape) -> TorchModule:
        """`nn.Conv2d`, grouped where towers or groups are apart."""
        arguments = [str(given.channels), str(self.kernels), *self.arguments_in_torch(given)]
        if self.dilation != (1, 1):
            down, right = self.dilation
            arguments.append(f"dilation={down if down == right else (down, right)}")
        groups = self.groups_in_all(output)
        if groups > 1:
            arguments.append(f"groups={groups}")
        if self.bias is None:
            arguments.append("bias=False")
        call = TorchCall("nn.Conv2d", tuple(arguments))
        return TorchModule(call, self.imports_of_padding(given), self.padding_before(given))
