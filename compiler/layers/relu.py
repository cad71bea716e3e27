"""`relu`: rectified linear unit, max(x, 0) (section 3.1 of the paper)."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import BeforeValidator, Field

from .arguments import Expects, as_float
from .kind import Shape, TorchCall, TorchFunction
from .pointwise import Pointwise
from .python_text import literal

_Limit = Annotated[float | None, BeforeValidator(as_float), Field(gt=0), Expects("a number greater than 0")]


class Relu(Pointwise):
    """Sets negative values to zero and, with a `limit`, larger values to this limit."""

    keyword: ClassVar[str] = "relu"
    function: ClassVar[str] = "F.relu"
    function_import: ClassVar[str] = "import torch.nn.functional as F"

    limit: _Limit = None

    def torch(self, given: Shape, output: Shape) -> TorchFunction:
        """`F.relu`, or `F.hardtanh` with a limit."""
        if self.limit is None:
            return super().torch(given, output)
        call = TorchCall("F.hardtanh", ("min_val=0.0", f"max_val={literal(self.limit)}"))
        return TorchFunction(call, (self.function_import,))
