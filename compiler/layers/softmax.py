"""`softmax`: a probability distribution over the classes (section 3.5 of the paper)."""

from __future__ import annotations

from typing import ClassVar

from .arguments import Positive
from .kind import Kind, Shape, ShapeError, TorchCall, TorchFunction


class Softmax(Kind):
    """Turns the units of a vector into probabilities: positive values with the sum 1.

    As the last layer it is part of the loss. A branch that no layer reads can also end in `softmax`: it is an extra
    classifier head. In training its loss counts with the factor `share`; outside training it is not computed.
    """

    keyword: ClassVar[str] = "softmax"
    in_loss: ClassVar[bool] = True

    share: Positive = 1.0

    @property
    def share_of_loss(self) -> float:
        """The factor of this head's cross-entropy."""
        return self.share

    def output(self, given: Shape, towers: int) -> Shape:  # noqa: ARG002
        """The same shape."""
        if len(given.sizes) != 1:
            message = f"needs a vector, but gets feature maps of {given}"
            raise ShapeError("E0303", message, help="add a `linear` layer before it")
        return given

    def torch(self, given: Shape, output: Shape) -> TorchFunction:  # noqa: ARG002
        """`F.softmax` over the units."""
        return TorchFunction(TorchCall("F.softmax", ("dim=1",)), ("import torch.nn.functional as F",))
