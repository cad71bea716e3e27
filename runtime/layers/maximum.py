"""The elementwise maximum of layers: Caffe's `Eltwise` with `operation: MAX`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import torch
from torch import Tensor


def maximum(layers: Sequence[Tensor]) -> Tensor:
    """The largest values of tensors of one shape; equal values share the gradient."""
    return reduce(torch.maximum, layers)
