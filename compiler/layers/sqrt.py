"""`sqrt`: square root."""

from __future__ import annotations

from typing import ClassVar

from .pointwise import Pointwise


class Sqrt(Pointwise):
    """Takes the square root of each value, which must not be negative."""

    keyword: ClassVar[str] = "sqrt"
    function: ClassVar[str] = "torch.sqrt"
    function_import: ClassVar[str] = "import torch"
