"""`dropout`: sets values to zero while training (section 4.2 of the paper)."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from .arguments import Fraction, one_of
from .kind import EachChannel, OnMesh, Shape, TorchCall, TorchModule
from .python_text import in_tuple, literal


class Dropout(EachChannel):
    """Sets each value to zero with probability `p` while training.

    `scale=test`, the paper's, multiplies all values by 1 - p at test time; `scale=train`, torch's, divides those that
    are kept by 1 - p in training.
    """

    keyword: ClassVar[str] = "dropout"
    positional: ClassVar[tuple[str, ...]] = ("p",)

    p: Fraction
    scale: Annotated[Literal["test", "train"], one_of("test", "train")]

    def output(self, given: Shape, towers: int) -> Shape:  # noqa: ARG002
        """The shape stays."""
        return given

    def torch(self, given: Shape, output: Shape) -> TorchModule:
        """The runtime's `Dropout`."""
        return self.torch_on_mesh(given, output, OnMesh())

    def torch_on_mesh(self, given: Shape, output: Shape, place: OnMesh) -> TorchModule:  # noqa: ARG002
        """The same with the axes that cut its values, so that its masks are the same on every mesh."""
        arguments = [literal(self.p), f'scale="{self.scale}"']
        arguments += [
            f"{name}={in_tuple(axes)}" for name, axes in (("images", place.images), ("units", place.channels)) if axes
        ]
        return TorchModule(
            TorchCall("Dropout", tuple(arguments)),
            ("from alexc.runtime.layers.dropout import Dropout",),
        )
