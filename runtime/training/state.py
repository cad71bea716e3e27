"""How far a training is: the plain values that a checkpoint holds beside the weights."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass
class TrainingState:
    """Where a training stands, between two steps.

    Attributes:
        step: steps done since the beginning.
        epoch: whole epochs done.
        position: batches of the current epoch done.
        images: images of the current epoch shown.
        loss_sum: the sum over them of the loss.
        wrong: how many of them were classified wrongly.
        seconds: the time spent on them.
        best_error: the lowest validation error so far.
        best_epoch: the epoch that reached it, from 1; 0 where none has.
        metrics_bytes: how long the metrics file was.
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
        """Add a step over `images` images, of which `loss` is the mean loss."""
        self.step += 1
        self.position += 1
        self.images += images
        self.loss_sum += loss * images
        self.wrong += wrong
        self.seconds += seconds

    def count_epoch(self, val_error: float) -> bool:
        """Begin the next epoch; returns whether the one that ended is the best so far."""
        self.epoch += 1
        self.position = self.images = self.wrong = 0
        self.loss_sum = self.seconds = 0.0
        if not val_error < self.best_error:
            return False
        self.best_error, self.best_epoch = val_error, self.epoch
        return True
