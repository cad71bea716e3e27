"""The bytes on disk and in memory that a training needs for its weights."""

from __future__ import annotations

from torch import nn

from ..recipes import SGD, Recipe


def bytes_on_disk(network: nn.Module, recipe: Recipe, resumed: bool) -> int:
    """The most bytes of checkpoints in the folder of a run: last, previous, next, best and the next best.

    Args:
        network: the whole network; it may be on torch's meta device.
        recipe: the recipe of the training.
        resumed: whether the run exists, so that only what is added counts.
    """
    full, best = (1, 1) if resumed else (3, 2)
    return (full * _copies(recipe) + best) * _state_bytes(network)


def bytes_in_memory(network: nn.Module, recipe: Recipe) -> int:
    """The bytes of weights, gradients, optimiser state and averaged weights, without activations."""
    return (_copies(recipe) + 1) * _state_bytes(network)


def _copies(recipe: Recipe) -> int:
    """How many times the size of the weights a training keeps between steps: weights, optimiser state, average."""
    moments = 1 if isinstance(recipe.optimizer, SGD) else 2
    return 1 + moments + (recipe.average is not None)


def _state_bytes(network: nn.Module) -> int:
    return sum(value.numel() * value.element_size() for value in network.state_dict().values())
