"""How far a training has come: the counters that a checkpoint holds beside the weights."""

from __future__ import annotations

import math
from dataclasses import dataclass

from .plain_state import PlainState


@dataclass
class TrainingState(PlainState):
    """Counters between two steps.

    Attributes:
        step: steps done since the beginning.
        epoch: whole epochs done.
        position: batches of the current epoch done.
        images: images of the current epoch done.
        loss_sum: the sum of the loss over these images.
        wrong: how many of these images were classified wrongly.
        seconds: the time spent on them.
        best_error: the lowest validation error so far.
        best_epoch: the epoch that reached it, from 1; 0 before the first one.
        metrics_bytes: the length of the metrics file.
    """

    step: int = 0
    epoch: int = 0
    position: int = 0
    images: int = 0
    loss_sum: float = 0.0
    wrong: int = 0
    seconds: float = 0.0
    best_error: float = math.inf
    best_epoch: int = 0
    metrics_bytes: int = 0

    def count_step(self, images: int, loss: float, wrong: int, seconds: float) -> None:
        """Count a step over `images` images with the mean loss `loss`."""
        self.step += 1
        self.position += 1
        self.images += images
        self.loss_sum += loss * images
        self.wrong += wrong
        self.seconds += seconds

    def count_epoch(self, val_error: float) -> bool:
        """Begin the next epoch. Returns whether the epoch that ended is the best so far."""
        self.epoch += 1
        self.position = self.images = self.wrong = 0
        self.loss_sum = self.seconds = 0.0
        if not val_error < self.best_error:  # NaN is never the best
            return False
        self.best_error, self.best_epoch = val_error, self.epoch
        return True
