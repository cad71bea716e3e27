"""Finds values that are not finite."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor


def all_finite(tensors: Sequence[Tensor]) -> bool:
    """Whether every value of these tensors is finite.

    The sum of a tensor decides in most cases. The sum of finite values can overflow, so `aminmax` decides if it is not
    finite, at twice the cost.
    """
    if not tensors:
        return True
    if bool(torch.stack([tensor.sum() for tensor in tensors]).isfinite().all()):
        return True
    return bool(torch.stack([bound for tensor in tensors for bound in torch.aminmax(tensor)]).isfinite().all())


def any_not_finite(tensors: Sequence[Tensor], device: torch.device) -> Tensor:
    """Whether a value of these tensors is not finite, as 0 or 1 on their device: shape (), float32.

    A GPU is not waited for.
    """
    if device.type != "cuda" or not tensors:
        return torch.tensor(float(not all_finite(tensors)), device=device)
    largest = torch.stack(torch._foreach_norm(list(tensors), math.inf))
    return (~largest.isfinite().all()).float()
