"""`softplus`: log(1 + exp(x)), a smooth ReLU."""

from __future__ import annotations

from typing import ClassVar

from .pointwise import Pointwise


class Softplus(Pointwise):
    """Computes log(1 + exp(x)) of each value x, a smooth form of `relu`."""

    keyword: ClassVar[str] = "softplus"
    function: ClassVar[str] = "F.softplus"
    function_import: ClassVar[str] = "import torch.nn.functional as F"
