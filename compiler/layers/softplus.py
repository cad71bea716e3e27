"""`softplus`: log(1 + exp(x)), a smooth relu."""

from __future__ import annotations

from typing import ClassVar

from .pointwise import Pointwise


class Softplus(Pointwise):
    """The logarithm of 1 + exp(x) for each value x: a smooth relu."""

    keyword: ClassVar[str] = "softplus"
    function: ClassVar[str] = "F.softplus"
    function_import: ClassVar[str] = "import torch.nn.functional as F"
