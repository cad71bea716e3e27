"""A layer that one device of an axis keeps."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..parallel.mesh import Axis


def only_on(axis: Axis, device: int, layer: nn.Module, output: tuple[int, ...]) -> nn.Module:
    """The layer on `device`, and what stands in its place on the others.

    Args:
        axis: the devices.
        device: the one that keeps the layer.
        layer: the layer.
        output: the shape that it makes of one image.
    """
    return layer if axis.index == device else Absent(output)


class Absent(nn.Module):
    """Stands where another device has a layer: without weights, and with no images to work on."""

    def __init__(self, output: tuple[int, ...]) -> None:
        super().__init__()
        self.output = output

    def forward(self, x: Tensor) -> Tensor:
        """(0, …) to (0, *output), with a gradient as the layer itself would have: exchanges after it send one back."""
        y = x.new_zeros((0, *self.output)) + x.sum()
        return y if y.requires_grad or not torch.is_grad_enabled() else y.requires_grad_()

    def extra_repr(self) -> str:
        """The arguments, for `repr`."""
        return f"output={self.output}"
