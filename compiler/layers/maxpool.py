"""`maxpool`: the largest value of each window (section 3.4 of the paper)."""

from __future__ import annotations

from typing import ClassVar

from .kind import Shape, TorchCall, TorchFunction
from .pooling import Pooling


class Maxpool(Pooling):
    """Takes the largest value of each window of `window` by `window`, `stride` apart.

    `stride` is the window's size where nothing is said; with less the windows overlap. `round=ceil` lets a last window
    hang over the edge, as Caffe and cuda-convnet do; torch's `floor` does not.
    """

    keyword: ClassVar[str] = "maxpool"

    def torch(self, given: Shape, output: Shape) -> TorchFunction:  # noqa: ARG002
        """`F.max_pool2d`."""
        call = TorchCall("F.max_pool2d", tuple(self.arguments_in_torch()))
        return TorchFunction(call, ("import torch.nn.functional as F",))
