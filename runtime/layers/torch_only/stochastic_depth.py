"""Stochastic depth (Huang et al. 2016), whose choice is made as dropout's masks are."""

from __future__ import annotations

import torch
from torch import Tensor

from .dropout import Dropout


class StochasticDepth(Dropout):
    """Sets all values of an image to zero with probability `p` in training.

    `scale` is that of `Dropout`.
    """

    def mask_shape(self, x: Tensor) -> torch.Size:
        """One value per image."""
        return torch.Size((x.shape[0], *[1] * (x.dim() - 1)))
