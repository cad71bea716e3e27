"""A learned factor for each feature map: LayerScale (Touvron et al. 2021)."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class LayerScale(nn.Module):
    """Multiplies each map, or unit, by its weight, and adds its bias if it has one.

    Args:
        channels: the number of maps or units.
        bias: whether there are biases.
    """

    def __init__(self, channels: int, bias: bool = False) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, *) to the same shape."""
        shape = (-1, *[1] * (x.dim() - 2))
        scaled = x * self.weight.view(shape)
        return scaled if self.bias is None else scaled + self.bias.view(shape)

    def extra_repr(self) -> str:
        """The arguments, for `repr`."""
        return f"{len(self.weight)}{'' if self.bias is None else ', bias=True'}"
