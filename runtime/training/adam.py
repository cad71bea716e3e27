"""Adam and AdamW: torch's own updates, with what a training asks of every optimiser."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from .. import recipes

_MOMENTS = ("exp_avg", "exp_avg_sq")  # torch's names


class AdaptiveMoments(torch.optim.Adam):
    """Adam, or AdamW where the weights are decayed beside the gradient (see `recipes.Adam` and `recipes.AdamW`).

    Args:
        groups: parameters as `parameter_groups` makes them.
        rule: the recipe's.
    """

    def __init__(self, groups: list[dict[str, Any]], rule: recipes.Adam | recipes.AdamW) -> None:
        super().__init__(
            groups,
            lr=rule.lr,
            betas=(rule.beta1, rule.beta2),
            eps=rule.eps,
            weight_decay=rule.weight_decay,
            decoupled_weight_decay=isinstance(rule, recipes.AdamW),
        )
        for group in self.param_groups:
            group["weight_decay"] = rule.weight_decay * group["decay_multiplier"]
            for weight in group["params"]:
                zeros = {name: torch.zeros_like(weight, memory_format=torch.preserve_format) for name in _MOMENTS}
                self.state[weight] = {"step": torch.tensor(0.0), **zeros}
        self.rate = rule.lr

    @property
    def rate(self) -> float:
        """The learning rate of the next step."""
        return self._rate

    @rate.setter
    def rate(self, rate: float) -> None:
        self._rate = rate
        for group in self.param_groups:
            group["lr"] = rate * group["rate_multiplier"]

    def moments(self) -> dict[str, list[Tensor]]:
        """The moments of every parameter, in the order they were given."""
        weights = [weight for group in self.param_groups for weight in group["params"]]
        return {name: [self.state[weight][name] for weight in weights] for name in _MOMENTS}

    def restore(self, moments: Mapping[str, Sequence[Tensor]], steps: int) -> None:
        """Go on from the moments of another one that has done so many steps."""
        for name, own in self.moments().items():
            for here, there in zip(own, moments[name], strict=True):
                here.copy_(there)
        for state in self.state.values():
            state["step"].fill_(steps)
