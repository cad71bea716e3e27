"""`log`: natural logarithm."""

from __future__ import annotations

from typing import ClassVar

from .pointwise import Pointwise


class Log(Pointwise):
    """Takes the natural logarithm of each value, which must be positive."""

    keyword: ClassVar[str] = "log"
    function: ClassVar[str] = "torch.log"
    function_import: ClassVar[str] = "import torch"
