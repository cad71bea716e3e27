"""The moving average of a network's weights, which often classifies better than the weights of any one step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class AveragedWeights:
    """a <- decay a + (1 - decay) w after each step; it begins as the weights.

    Averaged are parameters and buffers of floating point, such as running statistics; other buffers are copied.

    Args:
        network: what is averaged.
        decay: what the average keeps of itself in a step.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self._network, self._decay = network, decay
        self._values = {name: value.clone() for name, value in network.state_dict().items()}

    @torch.no_grad()
    def update(self) -> None:
        """Take in the weights after a step."""
        here = self._network.state_dict()
        averaged = [name for name, value in here.items() if value.is_floating_point()]
        torch._foreach_lerp_(
            [self._values[name] for name in averaged], [here[name] for name in averaged], 1 - self._decay
        )
        for name in here.keys() - set(averaged):
            self._values[name].copy_(here[name])

    def values(self) -> Mapping[str, Tensor]:
        """The average, by the names of the network's state."""
        return self._values

    def restore(self, values: Mapping[str, Tensor]) -> None:
        """Go on from another one's values."""
        for name, value in self._values.items():
            value.copy_(values[name])

    @contextmanager
    def in_network(self) -> Iterator[None]:
        """A context in which the network has the average for its weights."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    @torch.no_grad()
    def _swap(self) -> None:
        for name, value in self._network.state_dict().items():
            weights = value.clone()
            value.copy_(self._values[name])
            self._values[name].copy_(weights)
