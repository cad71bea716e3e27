"""The base of the kinds with weights that only rescale the values of the layer before them."""

from __future__ import annotations

from .kind import Shape
from .trained import Trained


class Rescaling(Trained):
    """Base of `batchnorm`, `layernorm`, `layer_scale` and `prelu`."""

    def output(self, given: Shape, towers: int) -> Shape:  # noqa: ARG002
        """The same shape."""
        return given

    def neurons(self, given: Shape, output: Shape) -> int:  # noqa: ARG002
        """None: the neurons are those of the layer before it."""
        return 0
