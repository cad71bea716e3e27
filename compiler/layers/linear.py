"""`linear`: a fully connected layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from .arguments import Count
from .initial_values import InitialBias, InitialWeight, Kaiming
from .kind import Cut, Shape, ShapeError, TorchCall, TorchModule, Weights
from .reading import Reads, require_even, require_even_cut, towers_apart
from .trained import Trained


class Linear(Trained):
    """A fully connected layer with `units` units. Feature maps are flattened first, channels first.

    With `reads=tower` a unit reads only the values of its own tower.
    """

    keyword: ClassVar[str] = "linear"
    positional: ClassVar[tuple[str, ...]] = ("units",)
    reads_vector: ClassVar[bool] = True

    units: Count
    reads: Reads = None
    weight: InitialWeight = Kaiming()
    bias: InitialBias = 0.0

    def output(self, given: Shape, towers: int) -> Shape:
        """Anything to (units,)."""
        apart = towers_apart(self.reads, given, towers)
        require_even("units", self.units, towers, "units")
        if given.channels % apart:
            raise ShapeError(
                "E0302", f"reads {given.channels} channels, which cannot be split evenly into {apart} towers", "reads"
            )
        return Shape((self.units,), towers)

    def cut(self, given: Sequence[Shape], output: Shape, devices: int) -> Cut:  # noqa: ARG002
        """A share of the units: whole towers if units read only the values of their tower."""
        apart = self._towers_apart(output)
        require_even_cut("units", self.units, apart, self.reads, devices)
        reads = "tower" if apart > devices else None
        part = self.model_copy(update={"units": self.units // devices, "reads": reads})
        return Cut(part, reads_all=apart == 1)

    def weights(self, given: Shape, output: Shape) -> Weights:
        """(units, input values per unit)."""
        shape = (self.units, given.values // self._towers_apart(output))
        return Weights(shape, 0 if self.bias is None else self.units, self.weight, self.bias)

    def multiply_adds(self, given: Shape, output: Shape) -> int:
        """One per weight."""
        return self.units * given.values // self._towers_apart(output)

    def torch(self, given: Shape, output: Shape) -> TorchModule:
        """`nn.Linear`, or the runtime's `GroupedLinear` if units read only their own tower."""
        sizes = (str(given.values), str(self.units))
        bias = () if self.bias is not None else ("bias=False",)
        apart = self._towers_apart(output)
        if apart == 1:
            return TorchModule(TorchCall("nn.Linear", (*sizes, *bias)))
        return TorchModule(
            TorchCall("GroupedLinear", (*sizes, f"groups={apart}", *bias)),
            ("from alexc.runtime.layers.grouped_linear import GroupedLinear",),
        )

    def _towers_apart(self, output: Shape) -> int:
        return output.towers if self.reads == "tower" else 1
