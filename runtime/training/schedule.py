"""Learning rate schedules: the interface of all of them, those that depend on the step alone, and which one to use."""

from __future__ import annotations

import math
from typing import Any, Protocol

from .. import recipes
from ..runs.epoch_metrics import EpochMetrics
from .plateau import PlateauSchedule


class Schedule(Protocol):
    """Sets the learning rate of every step."""

    def rate_at(self, step: int, steps_per_epoch: int) -> float:
        """The learning rate of a step, counted from 0 over all epochs."""
        ...

    @property
    def ended(self) -> bool:
        """Whether the training is over."""
        ...

    def after_epoch(self, metrics: EpochMetrics) -> str | None:
        """Count an epoch. Returns what happened, for the log, when the rate changes or the training ends."""
        ...

    def state_dict(self) -> Any:  # noqa: ANN401
        """A dictionary of plain values, for a checkpoint."""
        ...

    def load_state_dict(self, state_dict: Any) -> None:  # noqa: ANN401
        """Continue from a saved state."""
        ...


class FixedSchedule:
    """A learning rate that depends on the step alone.

    Args:
        rule: the rule of the recipe.
        lr: the base learning rate, which the rule changes.
        epochs: the length of the training in epochs; None if `iterations` is its length.
        iterations: the length of the training in steps.
    """

    ended = False

    def __init__(self, rule: recipes.FixedRule, lr: float, epochs: int | None, iterations: int | None = None) -> None:
        self._rule, self._lr, self._epochs, self._iterations = rule, lr, epochs, iterations

    def rate_at(self, step: int, steps_per_epoch: int) -> float:
        """The learning rate of a step. During the warm-up it rises linearly from the first step on."""
        (warmup,) = _in_steps(self._rule.warmup, steps_per_epoch)
        rise = min(1.0, (step + 1) / warmup) if warmup else 1.0
        return self._lr * rise * _factor(self._rule, step, steps_per_epoch, self._done(step, steps_per_epoch))

    def _done(self, step: int, steps_per_epoch: int) -> float:
        """The finished part of the training."""
        if self._iterations is not None:
            return min(1.0, step / self._iterations)
        assert self._epochs is not None
        return min(1.0, step / steps_per_epoch / self._epochs)

    def after_epoch(self, metrics: EpochMetrics) -> None:
        """Do nothing: the metrics do not change the rate."""

    def state_dict(self) -> dict[str, float]:
        """Empty: the step is all that the rate depends on."""
        return {}

    def load_state_dict(self, state_dict: dict[str, float]) -> None:
        """Do nothing: there is no state."""


def schedule_of(recipe: recipes.Recipe) -> Schedule:
    """The schedule of a recipe."""
    lr, rule = recipe.optimizer.lr, recipe.schedule
    if isinstance(rule, recipes.Plateau):
        return PlateauSchedule(rule, lr)
    return FixedSchedule(rule, lr, recipe.epochs, recipe.iterations)


def _in_steps(length: float | tuple[int, ...] | recipes.Iterations, steps_per_epoch: int) -> tuple[float, ...]:
    """Epochs or iterations in steps."""
    if isinstance(length, recipes.Iterations):
        return length
    return tuple(each * steps_per_epoch for each in (length if isinstance(length, tuple) else (length,)))


def _divided(by: float, times: float) -> float:
    """1 divided `times` times by `by`; infinite if it overflows, since `by` can be less than 1."""
    try:
        return math.pow(by, -times)
    except OverflowError:
        return math.inf


def _part(done: float, parts: int) -> int:
    """The first of equal parts of the training whose end is not before `done`, so a part ends after its last step."""
    part = min(parts - 1, max(0, math.ceil(done * parts) - 1))
    if part > 0 and done <= part / parts:  # the product was rounded up
        return part - 1
    return part + 1 if done > (part + 1) / parts else part


def _factor(rule: recipes.FixedRule, step: int, steps_per_epoch: int, done: float) -> float:
    """The factor of the base rate at a step; `done` is the finished part of the training."""
    match rule:
        case recipes.ConstantRate():
            return 1.0
        case recipes.StepRate(every, divide):
            (interval,) = _in_steps(every, steps_per_epoch)
            return _divided(divide, step // interval)
        case recipes.MilestoneRate(at, divide):
            return _divided(divide, sum(step >= place for place in _in_steps(at, steps_per_epoch)))
        case recipes.ExponentialRate(divide):
            return math.pow(divide, -done)
        case recipes.DiscreteExponentialRate(divide, steps, jumps):
            part = _part(done, steps)
            jump = jumps == "yes" and part > 0 and 0.2 < done < 0.9 and done > (part + 0.5) / steps
            return math.pow(divide, -(part - 0.5 * jump) / (steps - 1))
        case recipes.InverseRate(gamma, power):
            return math.pow(1 + gamma * step, -power)
        case recipes.LinearRate(divide):
            return 1 - done + done / divide
        case recipes.PolynomialRate(power):
            return math.pow(1 - done, power)
        case recipes.CosineRate():
            return (1 + math.cos(math.pi * done)) / 2
