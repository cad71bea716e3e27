"""What both optimisers share: parameter groups with multipliers and rates, and how their state is loaded."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from .rates import RateRule, Rates


class BaseOptimizer(torch.optim.Optimizer):
    """An optimiser over groups that `parameter_groups` made; `state_dict` is torch's.

    Attributes:
        found_inf: (), float32, on the device of the weights: where it is 1, a step changes nothing. It has the name
            that torch's fused kernels and its `GradScaler` use.
    """

    found_inf: Tensor | None = None
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

    def set_rates(self, rates: Rates, step: int, steps_per_epoch: int) -> None:
        """Set the learning rate of each group for a step, counted from 0 over all epochs."""
        self._rate = rates.schedule.rate_at(step, steps_per_epoch)
        for group in self.param_groups:
            group["lr"] = rates.rate_at(group["rule"], step, steps_per_epoch) * group["rate_multiplier"]

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load a copy of the state of another optimiser.

        Each tensor takes the memory layout of its parameter: the fused kernels read both as flat memory.
        """
        super().load_state_dict(state_dict)
        for parameter, state in self.state.items():
            for name, value in state.items():
                state[name] = value.clone() if name == "step" else _in_layout_of(parameter, value)


def parameter_groups(network: nn.Module, rates: Rates | None = None) -> list[dict[str, Any]]:
    """The parameters of a network, grouped by the multipliers of learning rate and weight decay, and by their rate.

    A network class may give the multipliers in `multipliers`, by the name of the parameter; the default is (1, 1).
    Without `rates` all parameters have one rate.
    """
    multipliers: dict[str, tuple[float, float]] = getattr(network, "multipliers", {})
    groups: dict[tuple[float, float, RateRule], list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        rule = RateRule() if rates is None else rates.rule_of(name)
        groups.setdefault((*multipliers.get(name, (1.0, 1.0)), rule), []).append(parameter)
    return [
        {"params": parameters, "rate_multiplier": rate, "decay_multiplier": decay, "rule": rule}
        for (rate, decay, rule), parameters in groups.items()
    ]


def names_in_groups(network: nn.Module, optimizer: BaseOptimizer) -> list[str]:
    """The names of the parameters in the order of the optimizer's groups: the index is the key in a `state_dict`."""
    names = {parameter: name for name, parameter in network.named_parameters()}
    return [names[parameter] for group in optimizer.param_groups for parameter in group["params"]]


def gradient_like(weight: Tensor) -> Tensor:
    """The gradient in the memory layout of its weight: the fused kernels read both as flat memory."""
    assert weight.grad is not None
    return weight.grad if weight.grad.stride() == weight.stride() else _in_layout_of(weight, weight.grad)


def _in_layout_of(parameter: Tensor, values: Tensor) -> Tensor:
    """A copy of `values` with the memory layout of the parameter."""
    return torch.empty_like(parameter, memory_format=torch.preserve_format).copy_(values)
