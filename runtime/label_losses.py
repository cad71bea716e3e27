"""Losses over a vector of targets per image, and which guesses are right: for images with several labels.

The target of an output is 1 for the labels of the image, else 0. An image of one class has one label.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from .parallel.batch_shard import NO_LABEL
from .recipes import BinaryCrossEntropy, LogSquare, Loss, Square

LabelLoss = BinaryCrossEntropy | LogSquare | Square
THRESHOLD = 0.5  # an output claims its label if its score is at least this


def target_rows(labels: Tensor, outputs: int) -> tuple[Tensor, Tensor]:
    """Targets (N, outputs), 0 or 1, and which rows have labels, (N,).

    Args:
        labels: (N,), class indices, or (N, outputs), 0 or 1; `NO_LABEL` in rows without labels.
        outputs: the number of outputs of the network.
    """
    if labels.ndim == 1:
        return F.one_hot(labels.clamp(min=0), outputs), labels != NO_LABEL
    return labels.clamp(min=0), labels[:, 0] != NO_LABEL


def label_loss(loss: LabelLoss, outputs: Tensor, labels: Tensor) -> Tensor:
    """The loss of each image, (N,), in float32, or in float64 for float64 outputs; 0 in rows without labels.

    Args:
        loss: the loss.
        outputs: of the network, (N, outputs).
        labels: as for `target_rows`.
    """
    outputs = outputs.to(torch.promote_types(outputs.dtype, torch.float32))
    targets, known = target_rows(labels, outputs.shape[1])
    targets = targets.to(outputs.dtype)
    if isinstance(loss, BinaryCrossEntropy):
        each = F.binary_cross_entropy_with_logits(outputs, targets, reduction="none")
    else:
        each = _of_difference(loss, outputs - targets)
    return each.sum(1).where(known, 0)


def averaged_loss(loss: LabelLoss, outputs: Tensor, targets: Tensor) -> Tensor:
    """The loss of the scores averaged over the views, (N,), float64.

    Args:
        loss: the loss.
        outputs: of the network, (N, views, outputs).
        targets: (N, outputs), 0 or 1.
    """
    outputs, targets = outputs.double(), targets.double()
    if not isinstance(loss, BinaryCrossEntropy):
        return _of_difference(loss, outputs.mean(1) - targets).sum(1)
    views = math.log(outputs.shape[1])
    claimed, denied = (F.logsigmoid(sign * outputs).logsumexp(1) - views for sign in (1, -1))
    return -(targets * claimed + (1 - targets) * denied).sum(1)


def scores_of(loss: Loss, outputs: Tensor) -> Tensor:
    """How sure the network is of each label: the sigmoid, or for the losses of squares the output itself."""
    return outputs.sigmoid() if isinstance(loss, BinaryCrossEntropy) else outputs


def wrong_guesses(scores: Tensor, targets: Tensor, top: int) -> Tensor:
    """Which images are wrong, (N,): none of the `top` highest scores belongs to a label of the image.

    An image without labels is wrong if a score reaches `THRESHOLD`. NaN is never right.

    Args:
        scores: (N, outputs).
        targets: (N, outputs), 0 or 1.
        top: the number of guesses.
    """
    guesses = scores.topk(min(top, scores.shape[1])).indices
    found = targets.gather(1, guesses).bool().any(1)
    right = torch.where(targets.bool().any(1), found, (scores < THRESHOLD).all(1))
    return ~(right & ~scores.isnan().any(1))


def _of_difference(loss: LogSquare | Square, difference: Tensor) -> Tensor:
    return difference.square() if isinstance(loss, Square) else difference.square().log1p()
