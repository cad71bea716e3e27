"""`gelu`: x times the normal distribution's share below x (Hendrycks and Gimpel 2016)."""

from __future__ import annotations

from typing import ClassVar

from .pointwise import Pointwise


class Gelu(Pointwise):
    """Weights each value by the share of a normal distribution that lies below it."""

    keyword: ClassVar[str] = "gelu"
    function: ClassVar[str] = "F.gelu"
    function_import: ClassVar[str] = "import torch.nn.functional as F"
