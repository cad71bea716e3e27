"""The schedule of the paper: divide the learning rate when a metric stops improving, then end."""

from __future__ import annotations

import math

from .. import recipes
from ..runs.epoch_metrics import EpochMetrics
from .plain_state import PlainState


class PlateauSchedule(PlainState):
    """Divides the learning rate after epochs that did not improve the metric `rule.of` (section 5 of the paper).

    An epoch improves the metric when it lowers the best value by more than `rule.least`; NaN never improves it. After
    `rule.patience` epochs in a row without improvement the rate is divided and the count starts again from zero. When
    that happens once more after `rule.times` divisions, the training ends.

    Attributes:
        ended: whether the training is over.
        best: the lowest value so far.
        epochs_without: the number of epochs since then, or since the last division.
        divisions: how often the rate was divided.
    """

    def __init__(self, rule: recipes.Plateau, lr: float) -> None:
        self._rule, self._lr = rule, lr
        self.ended, self.best, self.epochs_without, self.divisions = False, math.inf, 0, 0

    @property
    def rate(self) -> float:
        """The learning rate of the next step."""
        return self._lr / self._rule.divide**self.divisions

    def rate_at(self, step: int, steps_per_epoch: int) -> float:  # noqa: ARG002
        """The learning rate of any step before the end of the next epoch."""
        return self.rate

    def after_epoch(self, metrics: EpochMetrics) -> str | None:
        """Count an epoch. Returns what happened, for the log, when the rate changes or the training ends."""
        rule, value = self._rule, getattr(metrics, self._rule.of)
        if self.best - value > rule.least:
            self.best, self.epochs_without = value, 0
            return None
        self.epochs_without += 1
        if self.epochs_without < rule.patience:
            return None
        change = f" by more than {rule.least:g}" if rule.least else ""
        stopped = f"{rule.of} has not improved{change} for {rule.patience} epochs (best {self.best:.4g})"
        if self.divisions == rule.times:
            self.ended = True
            return f"{stopped}: training ends after {rule.times} divisions of the rate"
        self.divisions, self.epochs_without = self.divisions + 1, 0
        return f"{stopped}: rate {self.rate:.3g} from now on ({self.divisions} of {rule.times} divisions)"
