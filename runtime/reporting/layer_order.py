"""The layers of a network in the order of the forward pass."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn


@dataclass(frozen=True, eq=False)
class PassedLayer:
    """A module of a network, with its name."""

    name: str
    module: nn.Module

    @property
    def has_weights(self) -> bool:
        """Whether it multiplies its input by weights; the scales of a normalisation do not count."""
        return any(weight.ndim >= 2 for weight in self.module.parameters(recurse=False))

    @property
    def parts(self) -> int:
        """The number of parts that it splits its input maps into: towers, or groups; 1 if each map is its own part."""
        parts = getattr(self.module, "towers", 1) or 1
        groups = getattr(self.module, "groups", 1)
        depthwise = groups == getattr(self.module, "in_channels", None)
        return int(max(parts, 1 if depthwise else groups))


def layers_in_order(network: nn.Module, input_shape: tuple[int, int, int]) -> list[PassedLayer]:
    """The modules in the order in which a black image first passes them, without auxiliary heads of training.

    Args:
        network: in evaluation mode.
        input_shape: (channels, height, width).
    """
    passed: dict[str, PassedLayer] = {}

    def note(name: str, module: nn.Module, _: object) -> None:
        passed.setdefault(name, PassedLayer(name, module))

    hooks = [module.register_forward_pre_hook(partial(note, name)) for name, module in network.named_modules() if name]
    try:
        with torch.inference_mode():
            network(torch.zeros(1, *input_shape, device=next(network.parameters()).device))
    finally:
        for hook in hooks:
            hook.remove()
    return list(passed.values())


class LastInput:
    """Keeps the last input of a layer; a context manager.

    Args:
        layer: the layer.
    """

    def __init__(self, layer: nn.Module) -> None:
        self._layer = layer
        self.value = torch.empty(0)

    def __enter__(self) -> LastInput:
        def keep(_: nn.Module, given: tuple[Tensor, ...]) -> None:
            self.value = given[0]

        self._hook = self._layer.register_forward_pre_hook(keep)
        return self

    def __exit__(self, *_: object) -> None:
        self._hook.remove()
