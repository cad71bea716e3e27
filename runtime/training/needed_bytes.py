"""How many bytes a training needs on the disk and in memory, as far as its weights decide."""

from __future__ import annotations

from torch import nn

from ..recipes import SGD, Recipe


def bytes_on_disk(network: nn.Module, rules: Recipe, begun: bool) -> int:
    """The most that lies in a run's folder at once: last, previous and next, best and the next best.

    Args:
        network: the whole network; on torch's meta device it may be.
        rules: its recipe.
        begun: of a run that has them already, what comes on top.
    """
    full, best = (1, 1) if begun else (3, 2)
    return (full * _copies(rules) + best) * _state_bytes(network)


def bytes_in_memory(network: nn.Module, rules: Recipe) -> int:
    """Of weights, gradients, what the optimiser keeps, and an average of the weights; without activations."""
    return (_copies(rules) + 1) * _state_bytes(network)


def _copies(rules: Recipe) -> int:
    """Weights, moments and average: what a training keeps from step to step, each as large as the weights."""
    moments = 1 if isinstance(rules.optimizer, SGD) else 2
    return 1 + moments + (rules.average is not None)


def _state_bytes(network: nn.Module) -> int:
    return sum(value.numel() * value.element_size() for value in network.state_dict().values())
