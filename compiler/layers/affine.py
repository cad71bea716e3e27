"""`affine`: a fixed factor and a fixed summand, the same for all values."""

from __future__ import annotations

from typing import ClassVar

from .arguments import Real
from .kind import Shape, TorchCall, TorchFunction
from .pointwise import Pointwise
from .python_text import literal


class Affine(Pointwise):
    """Multiplies each value by `scale` and adds `shift`. Both are fixed: the layer has no parameters."""

    keyword: ClassVar[str] = "affine"
    positional: ClassVar[tuple[str, ...]] = ("scale",)
    function: ClassVar[str] = "affine"
    function_import: ClassVar[str] = "from alexc.runtime.layers.affine import affine"

    scale: Real
    shift: Real = 0.0

    def torch(self, given: Shape, output: Shape) -> TorchFunction:  # noqa: ARG002
        """The runtime's `affine`."""
        shift = () if self.shift == 0 else (f"shift={literal(self.shift)}",)
        return TorchFunction(TorchCall(self.function, (literal(self.scale), *shift)), (self.function_import,))
