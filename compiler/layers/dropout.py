"""`dropout`: sets values to zero while training (section 4.2 of the paper)."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from alexc.compiler.arguments import Fraction, one_of
from alexc.compiler.layers.kind import Kind, Shape, TorchCall, TorchModule
from alexc.compiler.python_text import literal


class Dropout(Kind):
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

    def torch(self, given: Shape, output: Shape) -> TorchModule:  # noqa: ARG002
        """The runtime's `Dropout`, whose masks are the same on every mesh."""
        return TorchModule(
            TorchCall("Dropout", (literal(self.p), f'scale="{self.scale}"')),
            ("from alexc.runtime.layers.dropout import Dropout",),
        )
