"""Builds the optimiser that a recipe names."""

from __future__ import annotations

from torch import nn

from .. import recipes
from .adam import AdaptiveMoments
from .base_optimizer import parameter_groups
from .rates import Rates
from .sgd import MomentumSGD

Optimizer = MomentumSGD | AdaptiveMoments


def optimizer_of(rule: recipes.Optimizer, network: nn.Module, rates: Rates | None = None) -> Optimizer:
    """The optimiser of a recipe for the parameters of a network, with the multipliers that the network gives."""
    groups = parameter_groups(network, rates)
    if isinstance(rule, recipes.SGD):
        return MomentumSGD(groups, rule.lr, rule.momentum, rule.weight_decay, rule.form)
    return AdaptiveMoments(groups, rule)
