"""The initial values of weights and biases, also of a device's part of a layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..parallel.mesh import Axis, share
from .only_on import Absent
from .torch_only import initial_values as torch_only
from .torch_only.initial_values import Constant, Distribution, Kaiming, LeCun, Normal, Uniform, Xavier

__all__ = ["Constant", "Kaiming", "LeCun", "Normal", "Uniform", "Xavier", "initialise"]


def initialise(
    layer: nn.Module,
    name: str,
    seed: int | None,
    shard: Sequence[Axis] = (),
    *,
    weight: Distribution,
    bias: float | None,
) -> None:
    """Initialise the weight and the bias of a layer as `torch_only`'s does, or of a device's part of it.

    Args:
        layer: a module with a `weight` and perhaps a `bias`.
        name: the layer's name in the network.
        seed: the network's seed, or None.
        shard: the axes of a mesh that split the layer along dimension 0, outermost first; it gets its part of the
            whole.
        weight: the distribution of the weight.
        bias: the value of every bias; None for a layer without biases.
    """
    if isinstance(layer, Absent):
        return
    index, shares = share(shard)
    torch_only.initialise(layer, name, seed, weight=_Part(weight, index, shares) if shares > 1 else weight, bias=bias)


@dataclass(frozen=True)
class _Part:
    """The part of this process of a weight that several devices share along dimension 0."""

    of: Distribution
    index: int
    shares: int

    def fill(self, weight: Tensor, generator: torch.Generator | None, kernels: int) -> None:
        """Draw this part; with a generator, draw the whole weight and take this part of it."""
        kernels *= self.shares
        if generator is None:
            self.of.fill(weight, None, kernels)
        else:
            whole = torch.empty(self.shares * len(weight), *weight.shape[1:])
            self.of.fill(whole, generator, kernels)
            weight.copy_(whole.chunk(self.shares)[self.index])
