"""`power`: a fixed power of each value."""

from __future__ import annotations

from typing import ClassVar

from .arguments import Real
from .kind import Shape, TorchCall, TorchFunction
from .pointwise import Pointwise
from .python_text import literal


class Power(Pointwise):
    """Raises each value to the power `exponent`. Negative values need a whole exponent."""

    keyword: ClassVar[str] = "power"
    positional: ClassVar[tuple[str, ...]] = ("exponent",)
    function: ClassVar[str] = "torch.pow"
    function_import: ClassVar[str] = "import torch"

    exponent: Real

    def torch(self, given: Shape, output: Shape) -> TorchFunction:  # noqa: ARG002
        """`torch.pow`."""
        return TorchFunction(TorchCall(self.function, (literal(self.exponent),)), (self.function_import,))
