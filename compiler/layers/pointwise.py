"""The base of the activation functions."""

from __future__ import annotations

from typing import ClassVar

from .kind import EachChannel, Shape, TorchCall, TorchFunction


class Pointwise(EachChannel):
    """Base of the activation functions; `function` is the name of the function in torch."""

    pointwise: ClassVar[bool] = True
    function: ClassVar[str]
    function_import: ClassVar[str]

    def output(self, given: Shape, towers: int) -> Shape:  # noqa: ARG002
        """The same shape."""
        return given

    def torch(self, given: Shape, output: Shape) -> TorchFunction:  # noqa: ARG002
        """A call of the function in torch."""
        return TorchFunction(TorchCall(self.function), (self.function_import,))
