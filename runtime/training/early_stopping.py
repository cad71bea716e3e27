"""Ends a training before its last epoch, by a metric of the epochs."""

from __future__ import annotations

import math
from typing import TypedDict

from .. import recipes
from ..runs.epoch_metrics import EpochMetrics


class EarlyStoppingState(TypedDict):
    """What a checkpoint keeps of it."""

    best: float
    epochs_without: int
    ended: bool


class EarlyStopping:
    """Watches one metric of every epoch (see `recipes.Stalled` and `recipes.Reached`).

    Args:
        rule: the rule of the recipe; with None a training never ends early.
    """

    def __init__(self, rule: recipes.Stalled | recipes.Reached | None) -> None:
        self._rule = rule
        self._state = EarlyStoppingState(best=math.inf, epochs_without=0, ended=False)

    @property
    def ended(self) -> bool:
        """Whether the training is over."""
        return self._state["ended"]

    def after_epoch(self, metrics: EpochMetrics) -> str | None:
        """Count an epoch. Returns the reason, for the log, when the training ends with it."""
        match self._rule:
            case None:
                return None
            case recipes.Reached(of, value):
                self._state["ended"] = getattr(metrics, of) <= value
                return f"{of} has reached {getattr(metrics, of):.4g}: the end" if self.ended else None
            case recipes.Stalled(of, patience, least):
                self._count(getattr(metrics, of), least)
                self._state["ended"] = self._state["epochs_without"] >= patience
                if not self.ended:
                    return None
                return f"{of} has not improved for {patience} epochs (best {self._state['best']:.4g}): the end"

    def state_dict(self) -> EarlyStoppingState:
        """The best value so far and the count of epochs without improvement."""
        return self._state.copy()

    def load_state_dict(self, state_dict: EarlyStoppingState) -> None:
        """Continue from a saved state."""
        self._state = state_dict.copy()

    def _count(self, value: float, least: float) -> None:
        if self._state["best"] - value > least:
            self._state["best"], self._state["epochs_without"] = value, 0
        else:
            self._state["epochs_without"] += 1
