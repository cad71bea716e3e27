"""`linear`: a fully connected layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from .arguments import Count
from .bounded import Bounded
from .initial_values import InitialBias, InitialWeight, Kaiming
from .kind import Cut, OnMesh, Shape, ShapeError, TorchCall, TorchModule, Weights
from .reading import (
    CROSS_IMPORT,
    OneTower,
    Reads,
    apart_in,
    reading_of_cross,
    require_even,
    require_even_cut,
    towers_apart,
    towers_of_output,
    values_read,
)


class Linear(Bounded):
    """A fully connected layer with `units` units. Feature maps are flattened first, channels first.

    With `reads=tower` a unit reads only the values of its own tower, with `reads=row` those of the towers of its row,
    and with `reads=cross` those of its row and its column in a grid of towers. With `towers=1` the units are not split
    into towers. `max_norm`, `min_norm` and `norm_about` bound the norm of the weights of each unit, as in `conv`.
    """

    keyword: ClassVar[str] = "linear"
    positional: ClassVar[tuple[str, ...]] = ("units",)
    reads_vector: ClassVar[bool] = True

    units: Count
    reads: Reads = None
    towers: OneTower = None
    weight: InitialWeight = Kaiming()
    bias: InitialBias = 0.0

    def output(self, given: Shape, towers: int) -> Shape:
        """Anything to (units,)."""
        self.check_norms()
        apart = towers_apart(self.reads, given, towers)
        towers = towers_of_output(self.towers, self.reads, towers)
        require_even("units", self.units, towers, "units")
        if given.channels % apart:
            raise ShapeError(
                "E0302", f"reads {given.channels} channels, which cannot be split evenly into {apart} towers", "reads"
            )
        return Shape((self.units,), towers)

    def cut(self, given: Sequence[Shape], output: Shape, devices: int) -> Cut:  # noqa: ARG002
        """A share of the units: whole towers if units read only the values of their tower."""
        apart = apart_in(self.reads, output.towers)
        require_even_cut("units", self.units, apart, self.reads, devices)
        if self.reads == "cross":
            return Cut(self.model_copy(update={"units": self.units // devices}), reads_all=True)
        reads = "tower" if apart > devices else None
        part = self.model_copy(update={"units": self.units // devices, "reads": reads})
        return Cut(part, reads_all=apart == 1)

    def weights(self, given: Shape, output: Shape) -> Weights:
        """(units, input values per unit)."""
        shape = (self.units, self._values_read(given, output) // apart_in(self.reads, output.towers))
        return Weights(shape, 0 if self.bias is None else self.units, self.weight, self.bias)

    def multiply_adds(self, given: Shape, output: Shape) -> int:
        """One per weight."""
        return self.units * self._values_read(given, output) // apart_in(self.reads, output.towers)

    def torch(self, given: Shape, output: Shape) -> TorchModule:
        """`nn.Linear`, or the runtime's `GroupedLinear` if units read only some towers."""
        return self.torch_on_mesh(given, output, OnMesh())

    def torch_on_mesh(self, given: Shape, output: Shape, place: OnMesh) -> TorchModule:
        """The same; with `reads=cross` the device takes the values that its own towers read."""
        sizes = (str(self._values_read(given, output)), str(self.units))
        bias = () if self.bias is not None else ("bias=False",)
        apart = apart_in(self.reads, output.towers)
        before = reading_of_cross(self.reads, given, place.channels)
        imports = (CROSS_IMPORT,) if before else ()
        if apart == 1:
            return TorchModule(TorchCall("nn.Linear", (*sizes, *bias)), imports, before)
        return TorchModule(
            TorchCall("GroupedLinear", (*sizes, f"groups={apart}", *bias)),
            ("from alexc.runtime.layers.grouped_linear import GroupedLinear", *imports),
            before,
        )

    def _values_read(self, given: Shape, output: Shape) -> int:
        return values_read(self.reads, given.values, given, output.towers)
