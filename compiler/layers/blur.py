"""`blur`: Gaussian blur of each feature map, as in cuda-convnet2."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from .arguments import LARGEST_SIZE, Expects, Positive
from .kind import ArgumentEdit, EachChannel, Shape, ShapeError, TorchCall, TorchFunction, require_maps
from .python_text import literal


class Blur(EachChannel):
    """Blurs each feature map with a Gaussian of standard deviation `std`, on `size` by `size` places.

    The weights of a window sum to 1. Places outside the map count as zero, so the map becomes darker at its edges.
    """

    keyword: ClassVar[str] = "blur"
    positional: ClassVar[tuple[str, ...]] = ("size",)

    size: Annotated[int, Field(ge=1, le=LARGEST_SIZE), Expects("an odd whole number")]
    std: Positive

    def output(self, given: Shape, towers: int) -> Shape:  # noqa: ARG002
        """The same shape."""
        require_maps(given)
        if self.size % 2 == 0:
            message = f"has a window of {self.size} places, which has no centre"
            odd = str(self.size + 1)
            edits = (ArgumentEdit("size", odd),)
            raise ShapeError("E0303", message, "size", f"use an odd size, such as {odd}", edits)
        return given

    def torch(self, given: Shape, output: Shape) -> TorchFunction:  # noqa: ARG002
        """The runtime's `gaussian_blur`."""
        call = TorchCall("gaussian_blur", (str(self.size), f"std={literal(self.std)}"))
        return TorchFunction(call, ("from alexc.runtime.layers.gaussian_blur import gaussian_blur",))
