"""Layers that are not trained."""

from __future__ import annotations

from collections.abc import Sequence, Set
from difflib import get_close_matches

from torch import nn

from .. import recipes
from ..errors import UserError


def check_frozen(network: nn.Module, names: Sequence[str]) -> None:
    """Check that each name of --freeze is a layer with weights, and that at least one such layer is left to train.

    Raises:
        UserError: a layer does not exist or has no weights, or no layer is left.
    """
    require_layers(network, names, "--freeze")
    if _layers_with_weights(network) <= set(names):
        raise UserError("--freeze names every layer with weights: nothing is left to train")


def require_layers(network: nn.Module, names: Sequence[str], where: str) -> None:
    """Check that each name is a layer with weights; `where` says who names them.

    Raises:
        UserError: a layer does not exist or has no weights.
    """
    layers = _layers_with_weights(network)
    for name in names:
        if name not in layers:
            near = get_close_matches(name, layers, n=1)
            hint = f"did you mean {near[0]}?" if near else f"it has {', '.join(layers)}"
            raise UserError(f"{where} {name}: the network has no layer of this name with weights; {hint}")


def freeze(network: nn.Module, names: Sequence[str]) -> tuple[nn.Module, ...]:
    """Freeze the layers of these names that this rank has; returns them."""
    layers = tuple(layer for name, layer in network.named_modules() if name in names)
    for layer in layers:
        layer.requires_grad_(False)
    return layers


def frozen_later(network: nn.Module, steps: Sequence[recipes.LayerStep]) -> list[tuple[int, nn.Module]]:
    """The layers that a recipe freezes and this rank has, each with the number of epochs before that."""
    after = {step.layer: step.after for step in steps if isinstance(step, recipes.FreezeLayer)}
    return [(after[name], layer) for name, layer in network.named_modules() if name in after]


def _layers_with_weights(network: nn.Module) -> Set[str]:
    return {name.rpartition(".")[0]: None for name, _ in network.named_parameters()}.keys()
