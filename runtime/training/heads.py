"""The loss of a network with one head or several, as GoogLeNet has them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def heads_of(made: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """What a network returns in training, as a tuple: the logits of the main head first, each (N, classes)."""
    return made if isinstance(made, tuple) else (made,)


def cross_entropy_of_heads(
    network: nn.Module, heads: tuple[Tensor, ...], labels: Tensor, images: int, smoothing: float = 0.0
) -> Tensor:
    """The sum of the heads' mean cross-entropies, each times its share (Szegedy et al. 2015, section 5).

    It is taken in float32, or in float64 where the logits have that, whatever the precision of the layers.

    Each process of several has the part of its own rows: what they have adds up to the mean over the batch.

    Args:
        network: its `head_shares` says how much each head counts; all count fully where it does not say.
        heads: (N, classes) each.
        labels: (N,); rows labelled `NO_LABEL` count nothing.
        images: those of the whole batch.
        smoothing: how much of each target is spread evenly over the classes.
    """
    shares = getattr(network, "head_shares", None) or (1.0,) * len(heads)
    logits = [head.to(torch.promote_types(head.dtype, torch.float32)) for head in heads]
    loss = torch.zeros((), device=labels.device, dtype=logits[0].dtype)
    for share, head in zip(shares, logits, strict=True):
        loss = loss + share * (F.cross_entropy(head, labels, reduction="sum", label_smoothing=smoothing) / images)
    return loss
