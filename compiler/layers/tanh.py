"""`tanh`: the saturating nonlinearity that the paper compares with (section 3.1)."""

from __future__ import annotations

from typing import ClassVar

from .pointwise import Pointwise


class Tanh(Pointwise):
    """The hyperbolic tangent of each value."""

    keyword: ClassVar[str] = "tanh"
    function: ClassVar[str] = "torch.tanh"
    function_import: ClassVar[str] = "import torch"
