"""Kinds that read each value by itself: the nonlinearities."""

from __future__ import annotations

from typing import ClassVar

from .kind import EachChannel, Shape, TorchCall, TorchFunction


class Pointwise(EachChannel):
    """Base of the nonlinearities without arguments; `function` is torch's name of each."""

    pointwise: ClassVar[bool] = True
    function: ClassVar[str]
    function_import: ClassVar[str]

    def output(self, given: Shape, towers: int) -> Shape:  # noqa: ARG002
        """The shape stays."""
        return given

    def torch(self, given: Shape, output: Shape) -> TorchFunction:  # noqa: ARG002
        """A call of torch's function."""
        return TorchFunction(TorchCall(self.function), (self.function_import,))
