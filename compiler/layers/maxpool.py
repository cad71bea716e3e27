"""`maxpool`: max pooling (section 3.4 of the paper)."""

from __future__ import annotations

from typing import ClassVar

from .kind import Shape, TorchCall, TorchFunction
from .pooling import Pooling


class Maxpool(Pooling):
    """Takes the largest value of each window of `window` by `window` values, with windows `stride` apart.

    The default of `stride` is the window size; with a smaller stride the windows overlap. With `round=ceil` the last
    window can extend past the edge, as in Caffe and cuda-convnet; with `round=floor` it cannot.
    """

    keyword: ClassVar[str] = "maxpool"

    def torch(self, given: Shape, output: Shape) -> TorchFunction:  # noqa: ARG002
        """`F.max_pool2d`."""
        call = TorchCall("F.max_pool2d", tuple(self.arguments_in_torch()))
        return TorchFunction(call, ("import torch.nn.functional as F",))
