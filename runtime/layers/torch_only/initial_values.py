"""The initial values of weights and biases."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Generator, Tensor, nn

from ..shuffled_convolution import ShuffledConv2d
from ..tree_linear import TreeLinear


class Distribution(Protocol):
    """The distribution of a weight."""

    def fill(self, weight: Tensor, generator: Generator | None, count: int, /) -> None:
        """Draw every value of `weight`.

        Args:
            weight: (rows, inputs, ...).
            generator: draws the numbers; torch's global generator if None.
            count: the kernels or units of the layer.
        """


@dataclass(frozen=True)
class Normal:
    """The normal distribution with this mean and standard deviation."""

    mean: float
    std: float

    def fill(self, weight: Tensor, generator: Generator | None, _count: int) -> None:
        """Draw every value of `weight`."""
        nn.init.normal_(weight, self.mean, self.std, generator)


@dataclass(frozen=True)
class Uniform:
    """The uniform distribution between two bounds."""

    low: float
    high: float

    def fill(self, weight: Tensor, generator: Generator | None, _count: int) -> None:
        """Draw every value of `weight`."""
        nn.init.uniform_(weight, self.low, self.high, generator)


@dataclass(frozen=True)
class Constant:
    """The same value everywhere."""

    value: float

    def fill(self, weight: Tensor, _generator: Generator | None, _count: int) -> None:
        """Set every value of `weight`."""
        nn.init.constant_(weight, self.value)


@dataclass(frozen=True)
class Xavier:
    """Normal, with variance gain^2 * 2 / (fan_in + fan_out) (Glorot and Bengio 2010).

    fan_in is the number of inputs of a kernel or unit. fan_out is the number of kernels
    or units of the whole layer, times the values of a kernel in one map. The size of
    the maps changes neither.
    """

    gain: float = 1.0

    def fill(self, weight: Tensor, generator: Generator | None, count: int) -> None:
        """Draw every value of `weight`."""
        fan_in, fan_out = weight[0].numel(), count * weight[0, 0].numel()
        std = self.gain * math.sqrt(2 / (fan_in + fan_out))
        nn.init.normal_(weight, 0.0, std, generator)


@dataclass(frozen=True)
class Kaiming:
    """Normal, with variance 2 / fan_in, for layers before a ReLU (He et al. 2015).

    fan_in is the number of inputs of a kernel or unit.
    """

    def fill(self, weight: Tensor, generator: Generator | None, _count: int) -> None:
        """Draw every value of `weight`."""
        nn.init.kaiming_normal_(weight, nonlinearity="relu", generator=generator)


@dataclass(frozen=True)
class LeCun:
    """Uniform around 0, with variance gain^2 / fan_in (LeCun et al. 1998).

    fan_in is the number of inputs of a kernel or unit.
    """

    gain: float = 1.0

    def fill(self, weight: Tensor, generator: Generator | None, _count: int) -> None:
        """Draw every value of `weight`."""
        nn.init.kaiming_uniform_(weight, nonlinearity="linear", generator=generator)
        weight.mul_(self.gain)


def initialise(
    layer: nn.Module,
    name: str,
    seed: int | None,
    *,
    weight: Distribution,
    bias: float | None,
) -> None:
    """Initialise the weight and the bias of a layer.

    With a `seed`, the weight is drawn on the CPU in float32 from its own generator,
    seeded by (seed, `name`). So it is the same on every device, and in every network
    with such a layer. Without a seed, torch's global generator draws.

    Args:
        layer: a module with a `weight` and perhaps a `bias`.
        name: the layer's name in the network.
        seed: the network's seed, or None.
        weight: the distribution of the weight.
        bias: the value of every bias; None for a layer without biases.
    """
    target = layer.weight
    assert isinstance(target, Tensor)
    if target.is_meta:  # a meta tensor has no values
        return
    # a layer without shared weights has more rows than kernels
    count = getattr(layer, "out_channels", len(target))
    with torch.no_grad():
        if seed is None:
            weight.fill(target, None, count)
        else:
            drawn = torch.empty(target.shape)
            weight.fill(drawn, _generator(f"{seed}/{name}.weight"), count)
            target.copy_(drawn)
        if bias is not None:
            assert isinstance(layer.bias, Tensor)
            layer.bias.fill_(bias)
        if isinstance(layer, TreeLinear):
            layer.reset_inner_nodes()
        if isinstance(layer, ShuffledConv2d):
            key = f"{seed}/{name}.order"
            layer.draw_order(None if seed is None else _generator(key))
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
            layer.reset_running_stats()


def _generator(key: str) -> Generator:
    digest = hashlib.sha256(key.encode()).digest()
    return Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)
