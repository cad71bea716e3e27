"""What moves the weights: what a training asks of every optimiser, and which one a recipe asks for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from torch import Tensor, nn

from .. import recipes
from .adam import AdaptiveMoments
from .sgd import MomentumSGD, parameter_groups


class Optimizer(Protocol):
    """Moves weights by their gradients."""

    @property
    def rate(self) -> float:
        """The learning rate of the next step."""

    @rate.setter
    def rate(self, rate: float) -> None: ...

    def step(self) -> object:
        """Move every weight that has a gradient."""

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients."""

    def moments(self) -> dict[str, list[Tensor]]:
        """What it keeps for each weight, a tensor of the weight's shape, in the order of `parameter_groups`."""

    def restore(self, moments: Mapping[str, Sequence[Tensor]], steps: int) -> None:
        """Go on from the moments of another one that has done so many steps."""


def optimizer_of(rule: recipes.SGD | recipes.Adam | recipes.AdamW, network: nn.Module) -> Optimizer:
    """The optimiser that a recipe asks for, with the network's multipliers of rate and decay."""
    groups = parameter_groups(network)
    if isinstance(rule, recipes.SGD):
        return MomentumSGD(groups, rule.lr, rule.momentum, rule.weight_decay, rule.form)
    return AdaptiveMoments(groups, rule)
