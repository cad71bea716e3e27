"""`square`: x * x."""

from __future__ import annotations

from typing import ClassVar

from .pointwise import Pointwise


class Square(Pointwise):
    """Squares each value."""

    keyword: ClassVar[str] = "square"
    function: ClassVar[str] = "torch.square"
    function_import: ClassVar[str] = "import torch"
