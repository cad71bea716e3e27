"""The loss of a network with one head, or with several as in GoogLeNet, and the wrong guesses."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..label_losses import label_loss, scores_of, target_rows, wrong_guesses
from ..parallel.batch_shard import NO_LABEL
from ..recipes import CrossEntropy, Loss


def heads_of(output: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """The output of a network in training mode as a tuple: logits (N, classes), those of the main head first."""
    return output if isinstance(output, tuple) else (output,)


def loss_of_heads(
    loss: Loss,
    network: nn.Module,
    heads: tuple[Tensor, ...],
    labels: Tensor,
    images: float,
    class_weights: Tensor | None = None,
) -> Tensor:
    """The recipe's loss of some rows of a batch of `images` images, divided by `images`.

    Only `cross_entropy` has further heads and weights of classes. `labels` are class indices, (N,), or (N, outputs), 0
    or 1.
    """
    if isinstance(loss, CrossEntropy):
        return cross_entropy_of_heads(network, heads, labels, images, loss.smoothing, class_weights)
    return label_loss(loss, heads[0], labels).sum() / images


def wrong_in_batch(loss: Loss, outputs: Tensor, labels: Tensor) -> Tensor:
    """The number of images whose first guess is wrong; rows without labels do not count."""
    if isinstance(loss, CrossEntropy):
        return ((outputs.argmax(1) != labels) & (labels != NO_LABEL)).sum()
    targets, known = target_rows(labels, outputs.shape[1])
    return (wrong_guesses(scores_of(loss, outputs.float()), targets, 1) & known).sum()


def cross_entropy_of_heads(
    network: nn.Module,
    heads: tuple[Tensor, ...],
    labels: Tensor,
    images: float,
    smoothing: float = 0.0,
    class_weights: Tensor | None = None,
) -> Tensor:
    """The sum over the heads of the mean cross-entropy, each times its weight (Szegedy et al. 2015, section 5).

    It is computed in float32, or in float64 for float64 logits, whatever the precision of the layers. Each rank has the
    loss of its own rows; the sum over the ranks is the mean over the batch.

    Args:
        network: may give the weights of the heads in `head_shares`; by default each is 1.
        heads: the logits of each head, (N, classes).
        labels: (N,); rows with the label `NO_LABEL` are ignored.
        images: the number of images of the whole batch or, with weights of classes, the sum of the weights of their
            classes, as the mean of torch's `CrossEntropyLoss` has it.
        smoothing: label smoothing, 0..1.
        class_weights: (classes,), float32; by default each is 1.
    """
    shares = getattr(network, "head_shares", None) or (1.0,) * len(heads)
    logits = [head.to(torch.promote_types(head.dtype, torch.float32)) for head in heads]
    loss = torch.zeros((), device=labels.device, dtype=logits[0].dtype)
    for share, head in zip(shares, logits, strict=True):
        weight = None if class_weights is None else class_weights.to(head.dtype)
        of_rows = F.cross_entropy(head, labels, weight, reduction="sum", label_smoothing=smoothing)
        loss = loss + share * (of_rows / images)
    return loss
