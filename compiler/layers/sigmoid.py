"""`sigmoid`: 1 / (1 + exp(-x))."""

from __future__ import annotations

from typing import ClassVar

from .pointwise import Pointwise


class Sigmoid(Pointwise):
    """Applies the logistic function to each value."""

    keyword: ClassVar[str] = "sigmoid"
    function: ClassVar[str] = "torch.sigmoid"
    function_import: ClassVar[str] = "import torch"
