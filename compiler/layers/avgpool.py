"""`avgpool`: the mean of each window."""

from __future__ import annotations

from typing import ClassVar

from .arguments import YesOrNo
from .kind import Shape, TorchCall, TorchFunction
from .pooling import Pooling


class Avgpool(Pooling):
    """Takes the mean of each window of `window` by `window`, `stride` apart.

    `stride` is the window's size where nothing is said. `round=ceil` lets a last window hang over the edge, as Caffe
    and cuda-convnet do. `count_pad=no` leaves the zeros of the padding out of the mean.
    """

    keyword: ClassVar[str] = "avgpool"

    count_pad: YesOrNo = "yes"

    def torch(self, given: Shape, output: Shape) -> TorchFunction:  # noqa: ARG002
        """`F.avg_pool2d`."""
        arguments = self.arguments_in_torch()
        if self.count_pad == "no":
            arguments.append("count_include_pad=False")
        return TorchFunction(TorchCall("F.avg_pool2d", tuple(arguments)), ("import torch.nn.functional as F",))
