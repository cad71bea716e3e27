"""A learned factor for each feature map: LayerScale of "Going deeper with Image Transformers" (Touvron et al. 2021)."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class LayerScale(nn.Module):
    """Multiplies each map, or unit, by its weight.

    Args:
        channels: the number of maps or units.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, *) to the same shape."""
        return x * self.weight.view(-1, *[1] * (x.dim() - 2))

    def extra_repr(self) -> str:
        """The arguments, for `repr`."""
        return str(len(self.weight))
