"""`global_maxpool`: the largest value of each feature map."""

from __future__ import annotations

from typing import ClassVar

from .whole_maps import WholeMaps


class GlobalMaxpool(WholeMaps):
    """Takes the largest value of each feature map. The result is a vector with one unit per map."""

    keyword: ClassVar[str] = "global_maxpool"
    function: ClassVar[str] = "torch.amax"
