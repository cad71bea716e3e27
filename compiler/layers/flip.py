"""`flip`: mirrors the feature maps left to right."""

from __future__ import annotations

from typing import ClassVar

from .kind import EachChannel, Shape, TorchCall, TorchFunction, require_maps


class Flip(EachChannel):
    """Mirrors each feature map left to right, in training and at test time.

    It is a part of the network. To mirror random images in training, write `mirror` in the recipe.
    """

    keyword: ClassVar[str] = "flip"

    def output(self, given: Shape, towers: int) -> Shape:  # noqa: ARG002
        """The same shape."""
        require_maps(given)
        return given

    def torch(self, given: Shape, output: Shape) -> TorchFunction:  # noqa: ARG002
        """`torch.flip` of the width."""
        return TorchFunction(TorchCall("torch.flip", ("dims=(3,)",)), ("import torch",))
