"""The base of `global_avgpool` and `global_maxpool`."""

from __future__ import annotations

from typing import ClassVar

from .kind import EachChannel, Shape, TorchCall, TorchFunction, require_maps


class WholeMaps(EachChannel):
    """Base of the kinds that reduce each map to one value; `function` is the name of the function in torch."""

    function: ClassVar[str]

    def output(self, given: Shape, towers: int) -> Shape:  # noqa: ARG002
        """(channels, height, width) to (channels,)."""
        channels, _, _ = require_maps(given)
        return Shape((channels,), given.towers)

    def torch(self, given: Shape, output: Shape) -> TorchFunction:  # noqa: ARG002
        """A call of the function over height and width."""
        return TorchFunction(TorchCall(self.function, ("dim=(2, 3)",)), ("import torch",))
