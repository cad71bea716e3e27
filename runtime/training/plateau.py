"""The schedule of the paper: divide the learning rate when a metric stops improving, then end."""

from __future__ import annotations

import math
from typing import TypedDict

from .. import recipes
from ..runs.epoch_metrics import EpochMetrics


class PlateauState(TypedDict):
    """What a checkpoint keeps of a plateau schedule."""

    best: float
    epochs_without: int
    divisions: int
    ended: bool


class PlateauSchedule:
    """Divides the learning rate after epochs that did not improve the metric `rule.of` (section 5 of the paper).

    An epoch improves the metric when it lowers the best value by more than `rule.least`; NaN never improves it. After
    `rule.patience` epochs in a row without improvement the rate is divided and the count starts again from zero. When
    that happens once more after `rule.times` divisions, the training ends.
    """

    def __init__(self, rule: recipes.Plateau, lr: float) -> None:
        self._rule, self._lr = rule, lr
        self._state = PlateauState(best=math.inf, epochs_without=0, divisions=0, ended=False)

    @property
    def rate(self) -> float:
        """The learning rate of the next step."""
        return self._lr / self._rule.divide ** self._state["divisions"]

    def rate_at(self, step: int, steps_per_epoch: int) -> float:  # noqa: ARG002
        """The learning rate of any step before the end of the next epoch."""
        return self.rate

    @property
    def ended(self) -> bool:
        """Whether the training is over."""
        return self._state["ended"]

    def after_epoch(self, metrics: EpochMetrics) -> str | None:
        """Count an epoch. Returns what happened, for the log, when the rate changes or the training ends."""
        rule, state, value = self._rule, self._state, getattr(metrics, self._rule.of)
        if state["best"] - value > rule.least:
            state["best"], state["epochs_without"] = value, 0
            return None
        state["epochs_without"] += 1
        if state["epochs_without"] < rule.patience:
            return None
        change = f" by more than {rule.least:g}" if rule.least else ""
        stopped = f"{rule.of} has not improved{change} for {rule.patience} epochs (best {state['best']:.4g})"
        if state["divisions"] == rule.times:
            state["ended"] = True
            return f"{stopped}: the end, after {rule.times} divisions of the rate"
        state["divisions"] += 1
        state["epochs_without"] = 0
        return f"{stopped}: rate {self.rate:.3g} from now on ({state['divisions']} of {rule.times} divisions)"

    def state_dict(self) -> PlateauState:
        """The best value so far, the count of epochs without improvement, and the number of divisions."""
        return self._state.copy()

    def load_state_dict(self, state_dict: PlateauState) -> None:
        """Continue from a saved state."""
        self._state = state_dict.copy()
