"""A layer that only one device of an axis has."""

from __future__ import annotations

from typing import Self

import torch
from torch import Tensor, nn

from ..parallel.mesh import Axis


def only_on(axis: Axis, device: int, layer: nn.Module, output: tuple[int, ...]) -> nn.Module:
    """The layer itself on `device`, and a substitute on the others.

    Args:
        axis: the devices.
        device: the device that has the layer.
        layer: the layer.
        output: its output shape per image.
    """
    return layer if axis.index == device else Absent(output)


class Absent(nn.Module):
    """The substitute on other devices: it has no weights, and its input has no images.

    Its output has a gradient where that of the layer has one, because all devices call the backward exchanges. So it
    must be frozen with the layer.
    """

    def __init__(self, output: tuple[int, ...]) -> None:
        super().__init__()
        self.output = output
        self.is_trained = True

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Train or freeze the layer, as `nn.Module.requires_grad_` does with weights."""
        self.is_trained = requires_grad
        return super().requires_grad_(requires_grad)

    def forward(self, x: Tensor) -> Tensor:
        """(0, …) to (0, *output)."""
        y = x.new_zeros((0, *self.output)) + x.sum()
        return y.requires_grad_() if self.is_trained and torch.is_grad_enabled() and not y.requires_grad else y

    def extra_repr(self) -> str:
        """The arguments, for `repr`."""
        return f"output={self.output}"
