"""`maximum`: the elementwise maximum of several layers."""

from __future__ import annotations

from typing import ClassVar

from .add import Add
from .kind import Shape, TorchCall, TorchJoin


class Maximum(Add):
    """Takes the largest of the values of the previous layer and of all named layers, element by element.

    With two slices of one layer it is maxout (Goodfellow et al. 2013). A `maximum` at the start of a line reads only
    the layers that it names.
    """

    keyword: ClassVar[str] = "maximum"

    def torch(self, given: Shape, output: Shape) -> TorchJoin:  # noqa: ARG002
        """The runtime's `maximum`."""
        return TorchJoin(TorchCall("maximum"), ("from alexc.runtime.layers.maximum import maximum",))
