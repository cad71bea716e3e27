"""What both optimisers share: parameter groups with multipliers, one learning rate, and how their state is loaded."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class BaseOptimizer(torch.optim.Optimizer):
    """An optimiser over groups that `parameter_groups` made; `state_dict` is torch's."""

    _rate: float

    @property
    def rate(self) -> float:
        """The learning rate of the next step, before the multipliers of the groups."""
        return self._rate

    @rate.setter
    def rate(self, rate: float) -> None:
        self._rate = rate
        for group in self.param_groups:
            group["lr"] = rate * group["rate_multiplier"]

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load a copy of the state of another optimiser.

        Each tensor takes the memory layout of its parameter: the fused kernel of `MomentumSGD` reads both as flat
        memory.
        """
        super().load_state_dict(state_dict)
        for parameter, state in self.state.items():
            for name, value in state.items():
                state[name] = value.clone() if name == "step" else in_layout_of(parameter, value)


def parameter_groups(network: nn.Module) -> list[dict[str, Any]]:
    """The parameters of a network, grouped by the multipliers of learning rate and weight decay.

    A network class may give them in `multipliers`, by the name of the parameter; the default is (1, 1).
    """
    multipliers: dict[str, tuple[float, float]] = getattr(network, "multipliers", {})
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        groups.setdefault(multipliers.get(name, (1.0, 1.0)), []).append(parameter)
    return [
        {"params": parameters, "rate_multiplier": rate, "decay_multiplier": decay}
        for (rate, decay), parameters in groups.items()
    ]


def names_in_groups(network: nn.Module) -> list[str]:
    """The names of the parameters in the order of `parameter_groups`: the index is the key in a `state_dict`."""
    names = {parameter: name for name, parameter in network.named_parameters()}
    return [names[parameter] for group in parameter_groups(network) for parameter in group["params"]]


def in_layout_of(parameter: Tensor, values: Tensor) -> Tensor:
    """A copy of `values` with the memory layout of the parameter."""
    return torch.empty_like(parameter, memory_format=torch.preserve_format).copy_(values)
