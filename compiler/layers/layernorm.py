"""`layernorm`: layer normalisation over the channels (Ba et al. 2016)."""

from __future__ import annotations

from typing import ClassVar

from .arguments import Positive, Real
from .initial_values import Constant
from .kind import Shape, TorchCall, TorchModule, Weights
from .python_text import literal
from .rescaling import Rescaling


class Layernorm(Rescaling):
    """Normalises the channels of each image to mean 0 and variance 1, then applies its weight and bias.

    The mean and the variance are those of all maps at the same place, as in ConvNeXt, or of all units. `eps` is added
    to the variance. `weight` and `bias` are the initial values of the weights and biases, one for each map or unit.
    """

    keyword: ClassVar[str] = "layernorm"
    normalises: ClassVar[bool] = True

    eps: Positive = 1e-5
    weight: Real = 1.0
    bias: Real = 0.0

    def weights(self, given: Shape, output: Shape) -> Weights:  # noqa: ARG002
        """One weight and one bias per feature map or unit."""
        return Weights((given.channels,), given.channels, Constant(value=self.weight), self.bias)

    def torch(self, given: Shape, output: Shape) -> TorchModule:  # noqa: ARG002
        """`nn.LayerNorm` for a vector, the runtime's `LayerNorm2d` for maps."""
        arguments = (str(given.channels), *([f"eps={literal(self.eps)}"] if self.eps != 1e-5 else []))
        if len(given.sizes) == 1:
            return TorchModule(TorchCall("nn.LayerNorm", arguments))
        return TorchModule(
            TorchCall("LayerNorm2d", arguments), ("from alexc.runtime.layers.layer_norm import LayerNorm2d",)
        )
