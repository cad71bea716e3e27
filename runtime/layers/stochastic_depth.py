"""Stochastic depth (Huang et al. 2016) whose choice depends only on the position of an image, as dropout's masks do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from ..parallel.mesh import Axis
from .dropout import Dropout
from .torch_only import stochastic_depth as torch_only


class StochasticDepth(torch_only.StochasticDepth, Dropout):
    """Sets all values of an image to zero with probability `p` in training.

    `scale` and `images` are those of `Dropout`. Devices that share the channels of an image choose the same.
    """

    def __init__(self, p: float, scale: Literal["test", "train"], images: Sequence[Axis] = ()) -> None:
        Dropout.__init__(self, p, scale, images)
