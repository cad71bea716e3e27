"""Ending a training before its last epoch, by what it has reached."""

from __future__ import annotations

import math
from typing import TypedDict

from .. import recipes
from ..runs.epoch_metrics import EpochMetrics


class EarlyEndState(TypedDict):
    """Where the count stands; plain values, for a checkpoint."""

    best: float
    epochs_without: int
    ended: bool


class EarlyStopping:
    """Watches a figure of every epoch (see `recipes.Stalled` and `recipes.Reached`).

    Args:
        rule: the recipe's; None never ends a training.
    """

    def __init__(self, rule: recipes.Stalled | recipes.Reached | None) -> None:
        self._rule = rule
        self._state = EarlyEndState(best=math.inf, epochs_without=0, ended=False)

    @property
    def ended(self) -> bool:
        """Whether the training is over."""
        return self._state["ended"]

    def after_epoch(self, figures: EpochMetrics) -> str | None:
        """Count an epoch; returns why the training is over, for the log, when it is."""
        match self._rule:
            case None:
                return None
            case recipes.Reached(of, value):
                self._state["ended"] = getattr(figures, of) <= value
                return f"{of} has reached {getattr(figures, of):.4g}: the end" if self.ended else None
            case recipes.Stalled(of, patience, least):
                self._count(getattr(figures, of), least)
                self._state["ended"] = self._state["epochs_without"] >= patience
                if not self.ended:
                    return None
                return f"{of} has not improved for {patience} epochs (best {self._state['best']:.4g}): the end"

    def state(self) -> EarlyEndState:
        """Where the count stands."""
        return self._state.copy()

    def restore(self, state: EarlyEndState) -> None:
        """Go on from where another one stood."""
        self._state = state.copy()

    def _count(self, figure: float, least: float) -> None:
        if self._state["best"] - figure > least:
            self._state["best"], self._state["epochs_without"] = figure, 0
        else:
            self._state["epochs_without"] += 1
