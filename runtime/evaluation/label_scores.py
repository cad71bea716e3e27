"""Measures how well a network finds the labels of images that can have several."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..label_losses import THRESHOLD, LabelLoss, averaged_loss, scores_of, target_rows, wrong_guesses
from ..recipes import CrossEntropy, Loss
from .measure import TOP, Tally

_SUMS = 5  # images, wrong1, wrong5, loss, average precision


@dataclass(frozen=True)
class FoundLabel:
    """How well one label is found.

    Attributes:
        label: the class index.
        images: the number of images that have it.
        precision: the share of the images with a score of at least 0.5 that have it; None if there is no such image.
        recall: the share of the images that have it and a score of at least 0.5.
    """

    label: int
    images: int
    precision: float | None
    recall: float


@dataclass(frozen=True, eq=False)
class LabelScores:
    """The results of a network on `images` images; errors and shares are in 0..1.

    Attributes:
        images: the number of images.
        loss: the mean of the recipe's loss.
        top1_error: the share of images whose highest score is not one of their labels. An image without labels is wrong
            if a score reaches 0.5.
        top5_error: the same with the five highest scores.
        average_precision: the mean over the images of the average precision of their ranked scores; 1 without labels.
        has: (outputs,): the number of images with each label.
        claimed: (outputs,): the number of images with a score of at least 0.5 for it.
        right: (outputs,): the number of images that have the label and such a score.
    """

    images: int
    loss: float
    top1_error: float
    top5_error: float
    average_precision: float
    has: NDArray[np.int64]
    claimed: NDArray[np.int64]
    right: NDArray[np.int64]

    @property
    def precision(self) -> float:
        """The share of all claims, scores of at least 0.5, that are right; 0 without claims."""
        return int(self.right.sum()) / max(1, int(self.claimed.sum()))

    @property
    def recall(self) -> float:
        """The share of all labels that are claimed; 0 without labels."""
        return int(self.right.sum()) / max(1, int(self.has.sum()))

    def worst_labels(self, count: int) -> list[FoundLabel]:
        """The labels with the lowest recall, worst first, without labels that no image has."""
        rows = [self._found(int(label)) for label in np.flatnonzero(self.has)]
        return sorted(rows, key=lambda row: (row.recall, -row.images, row.label))[:count]

    def _found(self, label: int) -> FoundLabel:
        has, claimed, right = (int(counts[label]) for counts in (self.has, self.claimed, self.right))
        return FoundLabel(label, has, right / claimed if claimed else None, right / has)


class LabelTally:
    """Counts labels over batches.

    Args:
        loss: the loss of the recipe.
        outputs: of the network.
    """

    def __init__(self, loss: LabelLoss, outputs: int) -> None:
        self._loss, self._outputs = loss, outputs
        self._sums = np.zeros(_SUMS)
        self._per_label = np.zeros((3, outputs), np.int64)  # has, claimed, right

    def count_views(self, answers: Tensor, labels: Tensor) -> None:
        """Add a batch: outputs (N, views, outputs), and labels as for `target_rows`, on the CPU."""
        targets, known = target_rows(labels, self._outputs)
        answers, targets = answers[known], targets[known]
        if not len(targets):
            return
        scores = scores_of(self._loss, answers).mean(1)
        wrong = [int(wrong_guesses(scores, targets, top).sum()) for top in (1, TOP)]
        loss = float(averaged_loss(self._loss, answers, targets).sum())
        self._sums += [len(targets), *wrong, loss, float(_average_precision(scores, targets).sum())]
        claims = scores >= THRESHOLD
        counts = [targets.sum(0), claims.sum(0), (claims & targets.bool()).sum(0)]
        self._per_label += torch.stack(counts).numpy()

    def counts(self) -> Tensor:
        """All counts as one float64 vector, which can be summed over processes."""
        return torch.from_numpy(np.concatenate([self._sums, self._per_label.reshape(-1).astype(np.float64)]))

    def take(self, counts: Tensor) -> None:
        """Replace the counts by such a vector."""
        values = counts.numpy()
        self._sums = values[:_SUMS].copy()
        self._per_label = values[_SUMS:].astype(np.int64).reshape(3, self._outputs)

    def scores(self) -> LabelScores:
        """The scores of everything that was counted."""
        images, wrong1, wrong5, loss, precision = self._sums.tolist()
        return LabelScores(
            int(images), loss / images, wrong1 / images, wrong5 / images, precision / images, *self._per_label
        )


def tally_for(loss: Loss, classes: int, outputs: int) -> Tally | LabelTally:
    """The tally that fits a loss."""
    return Tally(classes, outputs) if isinstance(loss, CrossEntropy) else LabelTally(loss, outputs)


def _average_precision(scores: Tensor, targets: Tensor) -> Tensor:
    """The average precision of each image's ranked scores, (N,): 1 if its labels come first; 1 without labels."""
    order = scores.argsort(dim=1, descending=True, stable=True)
    hits = targets.gather(1, order).double()
    precision = hits.cumsum(1) / torch.arange(1, scores.shape[1] + 1)
    found = hits.sum(1)
    return torch.where(found > 0, (precision * hits).sum(1) / found.clamp(min=1), 1.0)
