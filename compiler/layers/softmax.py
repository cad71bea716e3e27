"""`softmax`: a distribution over the classes (section 3.5 of the paper)."""

from __future__ import annotations

from typing import ClassVar

from .arguments import Positive
from .kind import Kind, Shape, ShapeError, TorchCall, TorchFunction


class Softmax(Kind):
    """Makes the units of a vector positive with the sum 1.

    As the last layer it belongs to the loss. So does one in a branch that nothing reads: a further head, which trains
    with the network, by its `share` of the loss, and is not computed otherwise.
    """

    keyword: ClassVar[str] = "softmax"
    in_loss: ClassVar[bool] = True

    share: Positive = 1.0

    @property
    def share_of_loss(self) -> float:
        """The factor of this head's cross-entropy."""
        return self.share

    def output(self, given: Shape, towers: int) -> Shape:  # noqa: ARG002
        """The shape stays."""
        if len(given.sizes) != 1:
            raise ShapeError(
                "E0303", f"reads a vector, but is given feature maps of {given}", help="`linear` makes one"
            )
        return given

    def torch(self, given: Shape, output: Shape) -> TorchFunction:  # noqa: ARG002
        """`F.softmax` over the units."""
        return TorchFunction(TorchCall("F.softmax", ("dim=1",)), ("import torch.nn.functional as F",))
