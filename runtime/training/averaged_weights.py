"""The exponential moving average of a network's weights, which often classifies better than the weights of one step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class AveragedWeights:
    """a <- decay a + (1 - decay) w after each step; the average begins as the weights.

    Parameters and buffers of floating point, such as running statistics, are averaged; other buffers are copied.

    Args:
        network: the network whose weights are averaged.
        decay: the factor of the average in an update.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self._network, self._decay = network, decay
        self._average = {name: value.clone() for name, value in network.state_dict().items()}

    @torch.no_grad()
    def update(self) -> None:
        """Add the weights after a step to the average."""
        weights = self._network.state_dict()
        floating = [name for name, value in weights.items() if value.is_floating_point()]
        torch._foreach_lerp_(
            [self._average[name] for name in floating], [weights[name] for name in floating], 1 - self._decay
        )
        for name in weights.keys() - set(floating):
            self._average[name].copy_(weights[name])

    def state_dict(self) -> dict[str, Tensor]:
        """The average, by the names of the network's `state_dict`."""
        return dict(self._average)

    def load_state_dict(self, state_dict: Mapping[str, Tensor]) -> None:
        """Continue from a saved average."""
        for name, value in self._average.items():
            value.copy_(state_dict[name])

    @contextmanager
    def in_network(self) -> Iterator[None]:
        """A context in which the network computes with the average instead of its weights."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    @torch.no_grad()
    def _swap(self) -> None:
        for name, value in self._network.state_dict().items():
            weights = value.clone()
            value.copy_(self._average[name])
            self._average[name].copy_(weights)
