"""How the learning rate changes over a training: what every schedule offers, and which one a recipe asks for."""

from __future__ import annotations

import math
from typing import Any, Protocol

from .. import recipes
from .plateau import PlateauSchedule


class Schedule(Protocol):
    """The learning rate as training goes on."""

    def rate_at(self, step: int, steps_an_epoch: int) -> float:
        """The learning rate of a step, counted from 0 over all epochs."""

    @property
    def ended(self) -> bool:
        """Whether the training is over."""

    @property
    def of(self) -> str:
        """The name of the figure that `after_epoch` wants: a field of `EpochMetrics`."""

    def after_epoch(self, figure: float) -> str | None:
        """Count an epoch; returns what happened, for the log, when the rate changed or the training ended."""

    def state(self) -> Any:  # noqa: ANN401
        """Where the schedule stands: a dictionary of plain values, for a checkpoint."""

    def restore(self, state: Any) -> None:  # noqa: ANN401
        """Go on from where another one stood."""


class FixedSchedule:
    """A rate that is known beforehand: a function of the step alone.

    Args:
        rule: the recipe's.
        lr: the rate that it changes.
        epochs: how many the training has.
    """

    of = "val_error"
    ended = False

    def __init__(self, rule: FixedRule, lr: float, epochs: int) -> None:
        self._rule, self._lr, self._epochs = rule, lr, epochs

    def rate_at(self, step: int, steps_an_epoch: int) -> float:
        """The learning rate of a step; in the warm-up a share of it that rises evenly, from the first step on."""
        warmup = self._rule.warmup * steps_an_epoch
        rise = min(1.0, (step + 1) / warmup) if warmup else 1.0
        return self._lr * rise * _factor(self._rule, step / steps_an_epoch, self._epochs)

    def after_epoch(self, figure: float) -> None:
        """Nothing depends on what was reached."""

    def state(self) -> dict[str, float]:
        """Nothing but the step matters."""
        return {}

    def restore(self, state: dict[str, float]) -> None:
        """Nothing to restore."""


FixedRule = (
    recipes.ConstantRate
    | recipes.StepRate
    | recipes.MilestoneRate
    | recipes.ExponentialRate
    | recipes.DiscreteExponentialRate
    | recipes.PolynomialRate
    | recipes.CosineRate
)


def schedule_of(recipe: recipes.Recipe, epochs: int) -> Schedule:
    """The schedule that a recipe asks for, for a training of so many epochs."""
    lr, rule = recipe.optimizer.lr, recipe.schedule
    return PlateauSchedule(rule, lr) if isinstance(rule, recipes.Plateau) else FixedSchedule(rule, lr, epochs)


def _factor(rule: FixedRule, epochs_done: float, epochs: int) -> float:
    """What the rate is multiplied by after so many epochs, counted in parts too."""
    done = min(1.0, epochs_done / epochs)
    match rule:
        case recipes.ConstantRate():
            return 1.0
        case recipes.StepRate(every, divide):
            return math.pow(divide, -(epochs_done // every))
        case recipes.MilestoneRate(at, divide):
            return math.pow(divide, -sum(epochs_done >= epoch for epoch in at))
        case recipes.ExponentialRate(divide):
            return math.pow(divide, -done)
        case recipes.DiscreteExponentialRate(divide, steps):
            part = min(steps - 1, int(done * steps))
            return math.pow(divide, -part / (steps - 1))
        case recipes.PolynomialRate(power):
            return math.pow(1 - done, power)
        case recipes.CosineRate():
            return (1 + math.cos(math.pi * done)) / 2
