"""`layer_scale`: a learned factor for each feature map (Touvron et al. 2021)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from .arguments import Real
from .initial_values import Constant
from .kind import Cut, Shape, TorchCall, TorchModule, Weights
from .trained import Trained


class LayerScale(Trained):
    """Multiplies each feature map, or unit, by a learned factor that starts at `weight`, as in ConvNeXt."""

    keyword: ClassVar[str] = "layer_scale"
    positional: ClassVar[tuple[str, ...]] = ("weight",)

    weight: Real = 1e-6

    def output(self, given: Shape, towers: int) -> Shape:  # noqa: ARG002
        """The same shape."""
        return given

    def weights(self, given: Shape, output: Shape) -> Weights:  # noqa: ARG002
        """One weight per feature map or unit."""
        return Weights((given.channels,), 0, Constant(value=self.weight), None)

    def neurons(self, given: Shape, output: Shape) -> int:  # noqa: ARG002
        """None: it only rescales the neurons of the layer before it."""
        return 0

    def cut(self, given: Sequence[Shape], output: Shape, devices: int) -> Cut | None:  # noqa: ARG002
        """Any share of the channels."""
        return None if given[0].channels % devices else Cut(self)

    def torch(self, given: Shape, output: Shape) -> TorchModule:  # noqa: ARG002
        """The runtime's `LayerScale`."""
        return TorchModule(
            TorchCall("LayerScale", (str(given.channels),)),
            ("from alexc.runtime.layers.layer_scale import LayerScale",),
        )
