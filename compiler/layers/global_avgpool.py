"""`global_avgpool`: the mean of each feature map (Lin et al. 2013)."""

from __future__ import annotations

from typing import ClassVar

from .whole_maps import WholeMaps


class GlobalAvgpool(WholeMaps):
    """Takes the mean of each feature map. The result is a vector with one unit per map."""

    keyword: ClassVar[str] = "global_avgpool"
    function: ClassVar[str] = "torch.mean"
