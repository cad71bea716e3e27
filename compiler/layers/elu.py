"""`elu`: exponential linear unit (Clevert et al. 2015)."""

from __future__ import annotations

from typing import ClassVar

from .arguments import Positive
from .kind import Shape, TorchCall, TorchFunction
from .pointwise import Pointwise
from .python_text import literal


class Elu(Pointwise):
    """Computes alpha * (exp(x) - 1) for negative values x; other values stay the same."""

    keyword: ClassVar[str] = "elu"
    positional: ClassVar[tuple[str, ...]] = ("alpha",)
    function: ClassVar[str] = "F.elu"
    function_import: ClassVar[str] = "import torch.nn.functional as F"

    alpha: Positive = 1.0

    def torch(self, given: Shape, output: Shape) -> TorchFunction:  # noqa: ARG002
        """`F.elu`."""
        call = TorchCall(self.function, (f"alpha={literal(self.alpha)}",))
        return TorchFunction(call, (self.function_import,))
