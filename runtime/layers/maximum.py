"""The elementwise maximum of several layers: Caffe's `Eltwise` with `operation: MAX`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import torch
from torch import Tensor


def maximum(layers: Sequence[Tensor]) -> Tensor:
    """The largest of the values of two or more tensors of one shape; equal values share the gradient."""
    return reduce(torch.maximum, layers)
