"""`hardswish`: x * relu6(x + 3) / 6 (Howard et al. 2019)."""

from __future__ import annotations

from typing import ClassVar

from .pointwise import Pointwise


class Hardswish(Pointwise):
    """Multiplies each value by its `hardsigmoid`, as MobileNetV3 does."""

    keyword: ClassVar[str] = "hardswish"
    function: ClassVar[str] = "F.hardswish"
    function_import: ClassVar[str] = "import torch.nn.functional as F"
