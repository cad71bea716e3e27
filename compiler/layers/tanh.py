"""`tanh`: hyperbolic tangent, to which the paper compares ReLU (section 3.1)."""

from __future__ import annotations

from typing import ClassVar

from .pointwise import Pointwise


class Tanh(Pointwise):
    """Applies the hyperbolic tangent to each value."""

    keyword: ClassVar[str] = "tanh"
    function: ClassVar[str] = "torch.tanh"
    function_import: ClassVar[str] = "import torch"
