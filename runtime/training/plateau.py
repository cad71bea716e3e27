"""The schedule of the paper: divide the rate when a figure stops improving, and end after the last time."""

from __future__ import annotations

import math
from typing import TypedDict

from .. import recipes


class PlateauState(TypedDict):
    """Where a plateau schedule stands; plain values, for a checkpoint."""

    best: float
    epochs_without: int
    divisions: int
    ended: bool


class PlateauSchedule:
    """Counts epochs that did not improve the figure `rule.of`, and divides the rate (section 5 of the paper).

    An epoch improves the figure when it lowers its best value by more than `rule.least`; a figure that is not a number
    never does. After `rule.patience` epochs in a row without improvement the rate is divided and the count starts
    anew; when that happens once more after `rule.times` divisions, the training ends.
    """

    def __init__(self, rule: recipes.Plateau, lr: float) -> None:
        self._rule, self._lr = rule, lr
        self._state = PlateauState(best=math.inf, epochs_without=0, divisions=0, ended=False)

    @property
    def rate(self) -> float:
        """The learning rate of the next step."""
        return self._lr / self._rule.divide ** self._state["divisions"]

    def rate_at(self, step: int, steps_an_epoch: int) -> float:  # noqa: ARG002
        """The learning rate of any step until the next epoch ends."""
        return self.rate

    @property
    def ended(self) -> bool:
        """Whether the training is over."""
        return self._state["ended"]

    @property
    def of(self) -> str:
        """The name of the figure that `after_epoch` wants."""
        return self._rule.of

    def after_epoch(self, figure: float) -> str | None:
        """Count an epoch; returns what happened, for the log, when the rate changed or the training ended."""
        state = self._state
        if state["best"] - figure > self._rule.least:
            state["best"], state["epochs_without"] = figure, 0
            return None
        state["epochs_without"] += 1
        if state["epochs_without"] < self._rule.patience:
            return None
        rule = self._rule
        change = f" by more than {rule.least:g}" if rule.least else ""
        stopped = f"{rule.of} has not improved{change} for {rule.patience} epochs (best {state['best']:.4g})"
        if state["divisions"] == self._rule.times:
            state["ended"] = True
            return f"{stopped}: the end, after {self._rule.times} divisions of the rate"
        state["divisions"] += 1
        state["epochs_without"] = 0
        return f"{stopped}: rate {self.rate:.3g} from now on ({state['divisions']} of {self._rule.times} divisions)"

    def state(self) -> PlateauState:
        """Where the schedule stands."""
        return self._state.copy()

    def restore(self, state: PlateauState) -> None:
        """Go on from where another one stood."""
        self._state = state.copy()
