"""Layers that are not trained."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

from torch import nn

from ..errors import UserError


def check_layers(network: nn.Module, names: Sequence[str]) -> None:
    """Check that each name is a layer with weights, and that at least one such layer is left to train.

    Raises:
        UserError: a layer does not exist or has no weights, or no layer is left.
    """
    layers = {name.rpartition(".")[0]: None for name, _ in network.named_parameters()}
    for name in names:
        if name not in layers:
            near = get_close_matches(name, layers, n=1)
            hint = f"did you mean {near[0]}?" if near else f"it has {', '.join(layers)}"
            raise UserError(f"--freeze {name}: the network has no layer of this name with weights; {hint}")
    if layers.keys() <= set(names):
        raise UserError("--freeze names every layer with weights: nothing is left to train")


def freeze(network: nn.Module, names: Sequence[str]) -> tuple[nn.Module, ...]:
    """Freeze the layers of these names that this rank has; returns them."""
    layers = tuple(layer for name, layer in network.named_modules() if name in names)
    for layer in layers:
        layer.requires_grad_(False)
    return layers
