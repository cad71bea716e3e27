"""Gradient descent with momentum: the paper's form, with the learning rate inside the velocity, and torch's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, overload

import torch
from torch import Tensor, nn
from torch.optim.sgd import sgd

Form = Literal["paper", "torch", "nesterov"]


class MomentumSGD(torch.optim.Optimizer):
    """v <- momentum v - weight_decay lr w - lr g;  w <- w + v (section 5 of the paper).

    torch.optim.SGD keeps the rate outside the velocity, v <- momentum v + weight_decay w + g; w <- w - lr v: the two
    agree until the rate changes, and differ after it. Nesterov's form, as torch has it, moves w by
    lr (g + weight_decay w + momentum v) instead.

    Args:
        params: the parameters, each with its gradient in `grad`; or groups of them, as `parameter_groups` makes.
        lr: the learning rate; change it between steps by `rate`.
        momentum: the share of the velocity that a step keeps.
        weight_decay: the factor of the weight in the update.
        form: which of the three.
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
        for weight in self._weights():
            self.state[weight]["velocity"] = torch.zeros_like(weight, memory_format=torch.preserve_format)

    @property
    def rate(self) -> float:
        """The learning rate of the next step."""
        rate: float = self.param_groups[0]["lr"]
        return rate

    @rate.setter
    def rate(self, rate: float) -> None:
        for group in self.param_groups:
            group["lr"] = rate

    def moments(self) -> dict[str, list[Tensor]]:
        """The velocity of every parameter, in the order they were given."""
        return {"velocity": [self.state[weight]["velocity"] for weight in self._weights()]}

    def restore(self, moments: Mapping[str, Sequence[Tensor]], steps: int) -> None:  # noqa: ARG002 - Adam counts them
        """Go on from the velocities of another one."""
        for here, there in zip(self.moments()["velocity"], moments["velocity"], strict=True):
            here.copy_(there)

    @overload
    def step(self, closure: None = None) -> None: ...
    @overload
    def step(self, closure: Callable[[], float]) -> float: ...
    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Move every parameter that has a gradient."""
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
        momentum, rate = group["momentum"], group["lr"] * group["rate_multiplier"]
        in_velocity = bool(momentum) and self._form == "paper"
        sgd(
            weights,
            [_gradient_like(weight) for weight in weights],
            [self.state[weight]["velocity"] for weight in weights],
            fused=True,
            momentum=momentum,
            weight_decay=group["weight_decay"] * group["decay_multiplier"],
            lr=-1.0 if in_velocity else rate,
            dampening=1.0 + rate if in_velocity else 0.0,
            nesterov=self._form == "nesterov",
            maximize=False,
        )

    def _weights(self) -> list[nn.Parameter]:
        return [weight for group in self.param_groups for weight in group["params"]]


def parameter_names(network: nn.Module) -> list[str]:
    """The names of a network's parameters in the order of `parameter_groups`, and so of an optimiser's moments."""
    names = {weight: name for name, weight in network.named_parameters()}
    return [names[weight] for group in parameter_groups(network) for weight in group["params"]]


def parameter_groups(network: nn.Module) -> list[dict[str, Any]]:
    """A network's parameters by their multipliers of rate and decay, which its class may give in `multipliers`."""
    multipliers: dict[str, tuple[float, float]] = getattr(network, "multipliers", {})
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, weight in network.named_parameters():
        groups.setdefault(multipliers.get(name, (1.0, 1.0)), []).append(weight)
    return [
        {"params": weights, "rate_multiplier": rate, "decay_multiplier": decay}
        for (rate, decay), weights in groups.items()
    ]


def _gradient_like(weight: Tensor) -> Tensor:
    """The gradient in the memory layout of its weight: the fused kernel walks both as flat memory."""
    assert weight.grad is not None
    if weight.grad.stride() == weight.stride():
        return weight.grad
    return torch.empty_like(weight, memory_format=torch.preserve_format).copy_(weight.grad)
