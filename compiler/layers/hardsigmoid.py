"""`hardsigmoid`: relu6(x + 3) / 6."""

from __future__ import annotations

from typing import ClassVar

from .pointwise import Pointwise


class Hardsigmoid(Pointwise):
    """Maps each value to the range from 0 to 1 by straight lines: values up to -3 become 0, values from 3 become 1."""

    keyword: ClassVar[str] = "hardsigmoid"
    function: ClassVar[str] = "F.hardsigmoid"
    function_import: ClassVar[str] = "import torch.nn.functional as F"
