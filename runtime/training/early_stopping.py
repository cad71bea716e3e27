"""Ends a training before its last epoch, by a metric of the epochs."""

from __future__ import annotations

import math

from .. import recipes
from ..runs.epoch_metrics import EpochMetrics
from .plain_state import PlainState


class EarlyStopping(PlainState):
    """Watches one metric of every epoch (see `recipes.Stalled` and `recipes.Reached`).

    Args:
        rule: the rule of the recipe; with None a training never ends early.

    Attributes:
        ended: whether the training is over.
        best: the lowest value so far.
        epochs_without: the number of epochs since then.
    """

    def __init__(self, rule: recipes.EarlyStopping | None) -> None:
        self._rule = rule
        self.ended, self.best, self.epochs_without = False, math.inf, 0

    def after_epoch(self, metrics: EpochMetrics) -> str | None:
        """Count an epoch. Returns the reason, for the log, when the training ends with it."""
        match self._rule:
            case None:
                return None
            case recipes.Reached(of, value):
                self.ended = getattr(metrics, of) <= value
                return f"{of} has reached {getattr(metrics, of):.4g}: training ends" if self.ended else None
            case recipes.Stalled(of, patience, least):
                if self.best - getattr(metrics, of) > least:
                    self.best, self.epochs_without = getattr(metrics, of), 0
                else:
                    self.epochs_without += 1
                self.ended = self.epochs_without >= patience
                if not self.ended:
                    return None
                return f"{of} has not improved for {patience} epochs (best {self.best:.4g}): training ends"
