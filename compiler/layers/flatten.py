"""`flatten`: feature maps to a vector."""

from __future__ import annotations

from typing import ClassVar

from .kind import EachChannel, Shape, TorchCall, TorchFunction


class Flatten(EachChannel):
    """Reshapes all values into one vector, channels first. `linear` flattens its input by itself."""

    keyword: ClassVar[str] = "flatten"
    alias: ClassVar[bool] = True

    def output(self, given: Shape, towers: int) -> Shape:  # noqa: ARG002
        """Anything to (values,)."""
        return Shape((given.values,), given.towers)

    def torch(self, given: Shape, output: Shape) -> TorchFunction:  # noqa: ARG002
        """`torch.flatten`."""
        return TorchFunction(TorchCall("torch.flatten", ("1",)), ("import torch",))
