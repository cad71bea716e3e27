"""`abs`: absolute value."""

from __future__ import annotations

from typing import ClassVar

from .pointwise import Pointwise


class Abs(Pointwise):
    """Replaces each value by its absolute value."""

    keyword: ClassVar[str] = "abs"
    function: ClassVar[str] = "torch.abs"
    function_import: ClassVar[str] = "import torch"
