"""`conv`: convolution."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from .arguments import OptionalCount, Sizes, YesOrNo
from .bounded import Bounded
from .convolving import Convolving
from .kind import ArgumentEdit, Cut, OnMesh, Shape, ShapeError, TorchCall, TorchModule, Weights


class Conv(Bounded, Convolving):
    """Convolves its input with `kernels` kernels of `kernel` by `kernel` values, moved by `stride`.

    `pad` is the number of zeros on every side of the maps, or `sides(top, bottom, left, right)`. With `pad=same` only
    the stride makes the maps smaller; if the number of zeros is odd, the extra one is at the bottom or on the right.
    `dilation` is the distance between the values of a kernel. With `reads=tower` each kernel reads only the maps of
    its own tower, with `reads=row` those of the towers of its row, and with `reads=cross` those of its row and its
    column in a grid of towers. With `towers=1` the kernels are not split into towers. `groups` splits maps and kernels
    into groups that do not read each other, as in PyTorch.

    With `shared_bias=no` every place of the output has its own bias, as in `local`.

    With `shuffles=1` the groups read the maps in a random order, which is drawn once and kept with the weights. Then
    `groups` counts the groups of each tower, and the maps of each tower that it reads are shuffled by themselves. With
    `shuffles=2` a group reads twice as many maps: the order is two permutations in a row.

    With `max_norm=2` each kernel with a larger Euclidean norm is scaled to norm 2 after each step of a training; with
    `min_norm` those with a smaller one are scaled up. With `norm_about=mean` the norm is that of the differences from
    the mean of the kernel.
    """

    keyword: ClassVar[str] = "conv"

    dilation: Sizes = (1, 1)
    shuffles: OptionalCount = None
    shared_bias: YesOrNo = "yes"

    def output(self, given: Shape, towers: int) -> Shape:
        """(channels, height, width) to (kernels, height', width')."""
        if self.shuffles is not None and self.reads in ("row", "cross"):
            message = f"has `reads={self.reads}`, but shuffled maps come from one tower or from all"
            helpful = "write `reads=tower` or `reads=all`, or remove `shuffles`"
            edits = (ArgumentEdit("reads", "tower"), ArgumentEdit("reads", "all"), ArgumentEdit("shuffles", None))
            raise ShapeError("E0303", message, "reads", helpful, edits)
        self.check_norms()
        if self.shared_bias == "no" and (self.bias is None or self.shuffles is not None):
            other, written = ("bias", "bias=none") if self.bias is None else ("shuffles", "shuffles")
            either = (ArgumentEdit("shared_bias", None), ArgumentEdit(other, None))
            message = f"has `shared_bias=no` and `{written}`"
            raise ShapeError("E0303", message, "shared_bias", "remove one of them", either)
        shape = super().output(given, towers)
        if self.shuffles is not None and given.channels // given.towers * self.shuffles % self.groups:
            count = given.channels // given.towers
            message = f"cannot split {self.shuffles} permutations of {count} maps evenly into {self.groups} groups"
            raise ShapeError("E0302", message, "groups")
        return shape

    def groups_in_all(self, output: Shape) -> int:
        """The number of groups; shuffled ones count in each tower."""
        return super().groups_in_all(output) if self.shuffles is None else self.groups * output.towers

    def channels_read(self, given: Shape, output: Shape) -> int:
        """The number of maps that all groups read together; shuffled ones can read a map several times."""
        if self.shuffles is None:
            return super().channels_read(given, output)
        return given.channels * self.shuffles * (1 if self.reads == "tower" else output.towers)

    def cut(self, given: Sequence[Shape], output: Shape, devices: int) -> Cut | None:
        """A share of the kernels. Shuffled groups lie whole on each device, since each can read any map."""
        return super().cut(given, output, devices) if self.shuffles is None else None

    def reach(self) -> tuple[int, int]:
        """The height and width that a kernel covers with its dilation."""
        high, wide = (apart * (size - 1) + 1 for size, apart in zip(self.kernel, self.dilation, strict=True))
        return high, wide

    def weights(self, given: Shape, output: Shape) -> Weights:
        """(kernels, channels / groups, kernel height, kernel width)."""
        shape = (self.kernels, self.channels_read(given, output) // self.groups_in_all(output), *self.kernel)
        biases = output.values if self.shared_bias == "no" else self.kernels
        return Weights(shape, 0 if self.bias is None else biases, self.weight, self.bias)

    def multiply_adds(self, given: Shape, output: Shape) -> int:
        """One per output value and weight of its kernel."""
        return output.values * self.weights_per_kernel(given, output)

    def torch(self, given: Shape, output: Shape) -> TorchModule:
        """`nn.Conv2d`, with groups for towers and groups that do not read each other."""
        return self.torch_on_mesh(given, output, OnMesh())

    def torch_on_mesh(self, given: Shape, output: Shape, place: OnMesh) -> TorchModule:
        """The same; with `reads=cross` the device takes the maps that its own towers read."""
        channels = given.channels if self.shuffles is not None else self.channels_read(given, output)
        arguments = [str(channels), str(self.kernels), *self.arguments_in_torch(given)]
        if self.dilation != (1, 1):
            down, right = self.dilation
            arguments.append(f"dilation={down if down == right else (down, right)}")
        groups = self.groups_in_all(output) if self.shuffles is None else self.groups
        if groups > 1 or self.shuffles is not None:
            arguments.append(f"groups={groups}")
        if self.bias is None:
            arguments.append("bias=False")
        before, imports = self.calls_before(given, place)
        if self.shared_bias == "no":
            arguments.insert(2, f"places={output.sizes[1:]}")
            imports = (*imports, "from alexc.runtime.layers.unshared_bias import UnsharedBiasConv2d")
            return TorchModule(TorchCall("UnsharedBiasConv2d", tuple(arguments)), imports, before)
        if self.shuffles is None:
            return TorchModule(TorchCall("nn.Conv2d", tuple(arguments)), imports, before)
        arguments += [f"shuffles={self.shuffles}"] * (self.shuffles > 1)
        arguments += [f"towers={int(output.towers)}"] * (output.towers > 1)
        arguments += ['reads="tower"'] * (self.reads == "tower")
        arguments += [f"sources={int(given.towers)}"] * (given.towers > 1)
        imports = (*imports, "from alexc.runtime.layers.shuffled_convolution import ShuffledConv2d")
        return TorchModule(TorchCall("ShuffledConv2d", tuple(arguments)), imports, before)
