"""Adam and AdamW: torch's own updates, with multipliers of learning rate and weight decay."""

from __future__ import annotations

from typing import Any

import torch

from .. import recipes
from .base_optimizer import BaseOptimizer, gradient_like


class AdaptiveMoments(BaseOptimizer, torch.optim.Adam):
    """Adam, or AdamW with its weight decay apart from the gradient (see `recipes.Adam` and `recipes.AdamW`).

    Args:
        groups: parameters as `parameter_groups` makes them.
        rule: the optimiser of the recipe.
    """

    def __init__(self, groups: list[dict[str, Any]], rule: recipes.Adam | recipes.AdamW) -> None:
        super().__init__(
            groups,
            lr=rule.lr,
            betas=(rule.beta1, rule.beta2),
            eps=rule.eps,
            weight_decay=rule.weight_decay,
            decoupled_weight_decay=isinstance(rule, recipes.AdamW),
            fused=True,
        )
        for group in self.param_groups:
            group["weight_decay"] = rule.weight_decay * group["decay_multiplier"]
            for parameter in group["params"]:  # so that the state is complete before the first step
                self.state[parameter] = {
                    "step": torch.zeros((), dtype=torch.float32, device=parameter.device),
                    "exp_avg": torch.zeros_like(parameter, memory_format=torch.preserve_format),
                    "exp_avg_sq": torch.zeros_like(parameter, memory_format=torch.preserve_format),
                }
        self.rate = rule.lr

    def step(self, closure: None = None) -> None:  # type: ignore[override]  # the gradients are there before a step
        """Move every parameter that has a gradient."""
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    weight.grad = gradient_like(weight)
        super().step(closure)
