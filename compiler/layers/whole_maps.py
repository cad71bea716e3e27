"""What the kinds that make one value of a whole map have in common."""

from __future__ import annotations

from typing import ClassVar

from .kind import EachChannel, Shape, TorchCall, TorchFunction, require_maps


class WholeMaps(EachChannel):
    """Base of the kinds that make a vector of one value a map; `function` is torch's name of each."""

    function: ClassVar[str]

    def output(self, given: Shape, towers: int) -> Shape:  # noqa: ARG002
        """(channels, height, width) to (channels,)."""
        channels, _, _ = require_maps(given)
        return Shape((channels,), given.towers)

    def torch(self, given: Shape, output: Shape) -> TorchFunction:  # noqa: ARG002
        """A call of torch's function over both sides of the maps."""
        return TorchFunction(TorchCall(self.function, ("dim=(2, 3)",)), ("import torch",))
