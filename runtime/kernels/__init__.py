"""Triton kernels: what a GPU computes in one pass over memory, where torch takes many."""

from __future__ import annotations

from importlib.util import find_spec

import torch

_INSTALLED = find_spec("triton") is not None
_OLDEST_GPU = 7  # the major number of the compute capability: Volta, of 2017, is the oldest that Triton supports


def kernels_run_on(device: torch.device) -> bool:
    """Whether this device is a GPU that Triton supports, and Triton is installed."""
    return device.type == "cuda" and _INSTALLED and torch.cuda.get_device_properties(device).major >= _OLDEST_GPU
