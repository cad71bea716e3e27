"""A layer that only one device of an axis has."""

from __future__ import annotations

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
    """The substitute on other devices: it has no weights, and its input has no images."""

    def __init__(self, output: tuple[int, ...]) -> None:
        super().__init__()
        self.output = output

    def forward(self, x: Tensor) -> Tensor:
        """(0, …) to (0, *output), with a gradient, because the exchanges after it send one back."""
        y = x.new_zeros((0, *self.output)) + x.sum()
        return y if y.requires_grad or not torch.is_grad_enabled() else y.requires_grad_()

    def extra_repr(self) -> str:
        """The arguments, for `repr`."""
        return f"output={self.output}"
