"""`dropout`: sets random values to zero in training (section 4.2 of the paper)."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from .arguments import Fraction, one_of
from .kind import EachChannel, OnMesh, Shape, TorchCall, TorchModule
from .python_text import in_tuple, literal


class Dropout(EachChannel):
    """Sets each value to zero with probability `p` in training.

    `scale=train` divides the other values by 1 - p in training: this is PyTorch's `nn.Dropout`. `scale=test` multiplies
    all values by 1 - p at test time, as in the paper.
    """

    keyword: ClassVar[str] = "dropout"
    positional: ClassVar[tuple[str, ...]] = ("p",)

    p: Fraction
    scale: Annotated[Literal["test", "train"], one_of(train="as in PyTorch", test="as in the AlexNet paper")]

    def output(self, given: Shape, towers: int) -> Shape:  # noqa: ARG002
        """The same shape."""
        return given

    def torch(self, given: Shape, output: Shape) -> TorchModule:
        """The runtime's `Dropout`."""
        return self.torch_on_mesh(given, output, OnMesh())

    def torch_on_mesh(self, given: Shape, output: Shape, place: OnMesh) -> TorchModule:  # noqa: ARG002
        """`Dropout` with the axes that split its input, so that the masks are the same on every mesh."""
        arguments = [literal(self.p), f'scale="{self.scale}"']
        arguments += [
            f"{name}={in_tuple(axes)}" for name, axes in (("images", place.images), ("units", place.channels)) if axes
        ]
        return TorchModule(
            TorchCall("Dropout", tuple(arguments)),
            ("from alexc.runtime.layers.dropout import Dropout",),
        )
