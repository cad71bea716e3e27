"""The learning rate of each parameter: schedules of weights and biases, layers that are slowed, and noise."""

from __future__ import annotations

from dataclasses import dataclass
from zlib import crc32

from .. import recipes
from ..data.random_streams import Purpose, generator
from .schedule import FixedSchedule, schedule_of


@dataclass(frozen=True)
class RateRule:
    """What parameters with one learning rate have in common, apart from their multipliers.

    Attributes:
        of_biases: whether the rate follows the schedule of the biases.
        slowed: the steps of the recipe that slow their layer.
        noise: the noise of the rate.
        drawn_for: the name of the parameter if its rate has noise, because each parameter has its own; else "".
    """

    of_biases: bool = False
    slowed: tuple[recipes.SlowLayer, ...] = ()
    noise: float = 0.0
    drawn_for: str = ""


class Rates:
    """The learning rates of a recipe, as functions of the step.

    Args:
        recipe: the recipe.
        seed: the seed of the training, for the noise.
    """

    def __init__(self, recipe: recipes.Recipe, seed: int) -> None:
        self.schedule = schedule_of(recipe)
        self._seed = seed
        self._slow = [step for step in recipe.layers if isinstance(step, recipes.SlowLayer)]
        self._weight_noise = self._bias_noise = getattr(recipe.schedule, "noise", 0.0)
        self._bias_schedule: FixedSchedule | None = None
        if recipe.bias_schedule is not None:
            self._bias_noise = recipe.bias_schedule.noise
            lr = recipe.optimizer.lr
            self._bias_schedule = FixedSchedule(recipe.bias_schedule, lr, recipe.epochs, recipe.iterations)

    def rule_of(self, parameter: str) -> RateRule:
        """The rule of a parameter of this name in the network."""
        layer, _, kind = parameter.rpartition(".")
        is_bias = kind == "bias"
        noise = self._bias_noise if is_bias else self._weight_noise
        return RateRule(
            of_biases=is_bias and self._bias_schedule is not None,
            slowed=tuple(step for step in self._slow if step.layer == layer),
            noise=noise,
            drawn_for=parameter if noise else "",
        )

    def rate_at(self, rule: RateRule, step: int, steps_per_epoch: int) -> float:
        """The learning rate of parameters with this rule at a step, before their multipliers."""
        schedule = self.schedule
        if rule.of_biases:
            assert self._bias_schedule is not None
            schedule = self._bias_schedule
        rate = schedule.rate_at(step, steps_per_epoch)
        for slow in rule.slowed:
            if step >= slow.after * steps_per_epoch:
                rate /= slow.divide
        if rule.noise:
            random = generator(self._seed, Purpose.RATE, step, crc32(rule.drawn_for.encode()))
            rate *= 1 + rule.noise * abs(random.standard_normal())
        return rate
