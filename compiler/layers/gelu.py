"""`gelu`: Gaussian error linear unit (Hendrycks and Gimpel 2016)."""

from __future__ import annotations

from typing import ClassVar

from .pointwise import Pointwise


class Gelu(Pointwise):
    """Multiplies each value x by the probability that a standard normal variable is less than x."""

    keyword: ClassVar[str] = "gelu"
    function: ClassVar[str] = "F.gelu"
    function_import: ClassVar[str] = "import torch.nn.functional as F"
