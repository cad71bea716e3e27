"""`silu`: x * sigmoid(x), also called swish."""

from __future__ import annotations

from typing import ClassVar

from .pointwise import Pointwise


class Silu(Pointwise):
    """Multiplies each value by its sigmoid."""

    keyword: ClassVar[str] = "silu"
    function: ClassVar[str] = "F.silu"
    function_import: ClassVar[str] = "import torch.nn.functional as F"
