"""`leaky_relu`: ReLU with a slope for negative values."""

from __future__ import annotations

from typing import ClassVar

from .arguments import Real
from .kind import Shape, TorchCall, TorchFunction
from .pointwise import Pointwise
from .python_text import literal


class LeakyRelu(Pointwise):
    """Multiplies negative values by `slope`; other values stay the same."""

    keyword: ClassVar[str] = "leaky_relu"
    positional: ClassVar[tuple[str, ...]] = ("slope",)
    function: ClassVar[str] = "F.leaky_relu"
    function_import: ClassVar[str] = "import torch.nn.functional as F"

    slope: Real = 0.01

    def torch(self, given: Shape, output: Shape) -> TorchFunction:  # noqa: ARG002
        """`F.leaky_relu`."""
        call = TorchCall(self.function, (f"negative_slope={literal(self.slope)}",))
        return TorchFunction(call, (self.function_import,))
