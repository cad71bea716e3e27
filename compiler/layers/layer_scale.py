"""`layer_scale`: a learned factor for each feature map (Touvron et al. 2021)."""

from __future__ import annotations

from typing import ClassVar

from .arguments import Real
from .initial_values import Constant, InitialBias
from .kind import EachChannel, Shape, TorchCall, TorchModule, Weights
from .rescaling import Rescaling


class LayerScale(EachChannel, Rescaling):
    """Multiplies each feature map, or unit, by a learned factor that starts at `weight`, as in ConvNeXt.

    With a number as `bias` it also adds a learned summand that starts at this number, as Caffe's `Scale` does.
    """

    keyword: ClassVar[str] = "layer_scale"
    positional: ClassVar[tuple[str, ...]] = ("weight",)

    weight: Real = 1e-6
    bias: InitialBias = None

    def weights(self, given: Shape, output: Shape) -> Weights:  # noqa: ARG002
        """One weight and perhaps one bias per feature map or unit."""
        biases = 0 if self.bias is None else given.channels
        return Weights((given.channels,), biases, Constant(value=self.weight), self.bias)

    def torch(self, given: Shape, output: Shape) -> TorchModule:  # noqa: ARG002
        """The runtime's `LayerScale`."""
        return TorchModule(
            TorchCall("LayerScale", (str(given.channels), *(["bias=True"] * (self.bias is not None)))),
            ("from alexc.runtime.layers.layer_scale import LayerScale",),
        )
