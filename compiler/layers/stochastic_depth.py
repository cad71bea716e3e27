"""`stochastic_depth`: skips a layer for random images in training (Huang et al. 2016)."""

from __future__ import annotations

from typing import ClassVar

from .dropout import Dropout
from .kind import OnMesh, Shape, TorchCall, TorchModule
from .python_text import in_tuple, literal


class StochasticDepth(Dropout):
    """Sets all values of an image to zero with probability `p` in training. Before an `add`, it skips the other layers.

    `scale=train` divides the values of the other images by 1 - p in training: this is torchvision's `StochasticDepth`.
    `scale=test` multiplies all values by 1 - p at test time, as in the paper.
    """

    keyword: ClassVar[str] = "stochastic_depth"

    def torch_on_mesh(self, given: Shape, output: Shape, place: OnMesh) -> TorchModule:  # noqa: ARG002
        """`StochasticDepth` with the axes that split the images."""
        arguments = [literal(self.p), f'scale="{self.scale}"']
        arguments += [f"images={in_tuple(place.images)}"] * bool(place.images)
        return TorchModule(
            TorchCall("StochasticDepth", tuple(arguments)),
            ("from alexc.runtime.layers.stochastic_depth import StochasticDepth",),
        )
