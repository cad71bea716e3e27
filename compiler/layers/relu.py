"""`relu`: rectified linear unit, max(x, 0) (section 3.1 of the paper)."""

from __future__ import annotations

from typing import ClassVar

from .pointwise import Pointwise


class Relu(Pointwise):
    """Sets negative values to zero."""

    keyword: ClassVar[str] = "relu"
    function: ClassVar[str] = "F.relu"
    function_import: ClassVar[str] = "import torch.nn.functional as F"
