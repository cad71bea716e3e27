"""`relu6`: min(max(x, 0), 6), from MobileNet."""

from __future__ import annotations

from typing import ClassVar

from .pointwise import Pointwise


class Relu6(Pointwise):
    """Sets negative values to zero and values above 6 to 6."""

    keyword: ClassVar[str] = "relu6"
    function: ClassVar[str] = "F.relu6"
    function_import: ClassVar[str] = "import torch.nn.functional as F"
