"""`avgpool`: average pooling."""

from __future__ import annotations

from typing import ClassVar

from .arguments import YesOrNo
from .kind import Shape, TorchCall, TorchFunction
from .pooling import Pooling


class Avgpool(Pooling):
    """Takes the mean of each window of `window` by `window` values, with windows `stride` apart.

    The default of `stride` is the window size. With `round=ceil` the last window can extend past the edge, as in Caffe
    and cuda-convnet. With `count_pad=no` the zeros of the padding do not count for the mean.
    """

    keyword: ClassVar[str] = "avgpool"

    count_pad: YesOrNo = "yes"

    def torch(self, given: Shape, output: Shape) -> TorchFunction:  # noqa: ARG002
        """`F.avg_pool2d`."""
        arguments = self.arguments_in_torch()
        if self.count_pad == "no":
            arguments.append("count_include_pad=False")
        return TorchFunction(TorchCall("F.avg_pool2d", tuple(arguments)), ("import torch.nn.functional as F",))
