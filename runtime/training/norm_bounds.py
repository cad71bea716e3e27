"""Bounds on the norms of kernels, which hold after each step."""

from __future__ import annotations

import torch
from torch import nn


@torch.no_grad()
def bound_norms(network: nn.Module) -> None:
    """Scale the kernels whose norms are out of the bounds that the network's class gives in `norm_bounds`.

    Dimension 0 of a weight counts its kernels. Weights that this step does not train stay: those without a gradient,
    and those whose learning rate is multiplied by 0.
    """
    bounds: dict[str, tuple[float | None, float | None, str]] = getattr(network, "norm_bounds", {})
    multipliers: dict[str, tuple[float, float]] = getattr(network, "multipliers", {})
    for name, (least, most, about) in bounds.items():
        weight = network.get_parameter(name)
        if weight.grad is None or multipliers.get(name, (1.0, 1.0))[0] == 0:
            continue
        of_kernel = tuple(range(1, weight.dim()))
        center = weight.mean(of_kernel, keepdim=True) if about == "mean" else 0.0
        norms = torch.linalg.vector_norm(weight - center, dim=of_kernel, keepdim=True)
        weight.mul_(torch.where(norms > 0, norms.clamp(least, most) / norms, 1.0))
