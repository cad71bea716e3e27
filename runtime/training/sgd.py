"""Gradient descent with momentum: the paper's form, with the learning rate inside the velocity, and torch's forms."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Literal, overload

import torch
from torch import nn
from torch.optim.sgd import sgd

from .base_optimizer import BaseOptimizer, gradient_like

Form = Literal["paper", "torch", "nesterov"]


class MomentumSGD(BaseOptimizer):
    """v <- momentum v - weight_decay lr w - lr g;  w <- w + v (section 5 of the paper).

    torch.optim.SGD keeps the rate outside the velocity: v <- momentum v + weight_decay w + g; w <- w - lr v. The two
    agree until the rate changes, and differ after it. In Nesterov's form, which is torch's too, the step is
    w <- w - lr (g + weight_decay w + momentum v).

    Args:
        params: parameters, or groups of them as `parameter_groups` makes them.
        lr: the learning rate; set `rate` to change it between steps.
        momentum: the factor of the velocity in a step.
        weight_decay: the factor of the weight in a step.
        form: which of the three rules.
    """

    def __init__(
        self,
        params: Iterable[nn.Parameter] | list[dict[str, Any]],
        lr: float,
        momentum: float,
        weight_decay: float,
        form: Form = "paper",
    ) -> None:
        self._form = form
        defaults = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay}
        super().__init__(params, {**defaults, "rate_multiplier": 1.0, "decay_multiplier": 1.0})
        for group in self.param_groups:
            for weight in group["params"]:
                self.state[weight]["velocity"] = torch.zeros_like(weight, memory_format=torch.preserve_format)
        self.rate = lr

    @overload
    def step(self, closure: None = None) -> None: ...
    @overload
    def step(self, closure: Callable[[], float]) -> float: ...
    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Move every parameter that has a gradient; returns what `closure` returned, if there is one."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            self._move(group)
        return loss

    def _move(self, group: dict[str, Any]) -> None:
        weights = [weight for weight in group["params"] if weight.grad is not None]
        # torch's fused kernel computes b <- momentum b + (1 - dampening)(g + weight_decay w); w <- w - lr b.
        # With lr = -1 and 1 - dampening = -rate, b is the paper's velocity: one pass over memory instead of four.
        # Without momentum the kernel has no b, and both rules are w <- w - rate (g + weight_decay w).
        momentum, rate = group["momentum"], group["lr"]
        in_velocity = bool(momentum) and self._form == "paper"
        sgd(
            weights,
            [gradient_like(weight) for weight in weights],
            [self.state[weight]["velocity"] for weight in weights],
            fused=True,
            found_inf=self.found_inf,
            momentum=momentum,
            weight_decay=group["weight_decay"] * group["decay_multiplier"],
            lr=-1.0 if in_velocity else rate,
            dampening=1.0 + rate if in_velocity else 0.0,
            nesterov=self._form == "nesterov",
            maximize=False,
        )
