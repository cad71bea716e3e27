"""The kernels of the first convolution as pictures: Figure 3 of the paper."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import nn

from .embedded_image import exact_uri
from .layer_order import PassedLayer
from .missing import Missing

_SHOWN = (1, 3)  # channels
_GREY = 128


@dataclass(frozen=True)
class Kernels:
    """The section.

    Attributes:
        layer: the name of the convolution.
        side: (height, width) of a kernel, in pixels.
        towers: the pictures of the kernels per tower, as data URIs; one tower for a network without towers.
    """

    layer: str
    side: tuple[int, int]
    towers: tuple[tuple[str, ...], ...]

    @property
    def count(self) -> int:
        """The number of kernels."""
        return sum(map(len, self.towers))


def draw_kernels(layers: Sequence[PassedLayer]) -> Kernels | Missing:
    """The kernels of the first layer with weights.

    Args:
        layers: the layers of the network, in the order of the forward pass.
    """
    first = next((place for place, layer in enumerate(layers) if layer.has_weights), None)
    if first is None:
        return Missing("No layer of this network has weights of its own, so there are no kernels to draw.")
    name, convolution = layers[first].name, layers[first].module
    if not isinstance(convolution, nn.Conv2d):
        kind = type(convolution).__name__
        return Missing(f"The first layer with weights, {name}, is no convolution but a {kind}: it has no kernels.")
    if convolution.in_channels not in _SHOWN or convolution.groups != 1:
        return Missing(f"The kernels of the first convolution, {name}, do not read red, green and blue, or grey.")
    pictures = [exact_uri(_kernel_picture(kernel)) for kernel in convolution.weight.detach().float().cpu().numpy()]
    size = len(pictures) // _towers(layers[first + 1 :], len(pictures))
    towers = tuple(tuple(pictures[start : start + size]) for start in range(0, len(pictures), size))
    height, width = convolution.kernel_size
    return Kernels(name, (height, width), towers)


def _kernel_picture(kernel: NDArray[np.float32]) -> NDArray[np.uint8]:
    """(H, W, channels), 0..255, of a kernel (channels, H, W): black is its least weight; grey if all are equal."""
    least, largest = float(kernel.min()), float(kernel.max())
    if not largest > least:
        return np.full((*kernel.shape[1:], len(kernel)), _GREY, np.uint8)
    scaled = (kernel.astype(np.float64) - least) / (largest - least)
    return np.moveaxis((scaled * 255).round().astype(np.uint8), 0, 2)


def _towers(behind: Sequence[PassedLayer], kernels: int) -> int:
    """The number of towers that the readers split the maps into: the layers up to the next one with weights."""
    for layer in behind:
        if layer.parts > 1:
            return layer.parts if kernels % layer.parts == 0 else 1
        if layer.has_weights:
            break
    return 1
