"""`mish`: x * tanh(softplus(x)) (Misra 2019)."""

from __future__ import annotations

from typing import ClassVar

from .pointwise import Pointwise


class Mish(Pointwise):
    """Multiplies each value x by tanh(log(1 + exp(x)))."""

    keyword: ClassVar[str] = "mish"
    function: ClassVar[str] = "F.mish"
    function_import: ClassVar[str] = "import torch.nn.functional as F"
