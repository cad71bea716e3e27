"""`lrn`: local response normalisation across feature maps (section 3.3 of the paper)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

from .arguments import Count, NotNegative, Positive, one_of
from .kind import Cut, Kind, OnMesh, Shape, ShapeError, TorchCall, TorchModule, require_maps
from .python_text import literal


class Lrn(Kind):
    """Divides each value by (k + alpha * sum of squares of `size` neighbouring maps at the same place) ** beta.

    `norm=sum` is the paper's formula; `norm=mean` divides alpha by `size`, as torch and Caffe do. `over=tower` looks at
    the maps of the same tower only, `over=all` across towers. With `within=map` the squares are those of `size` by
    `size` places around the value in its own map, as in cuda-convnet; `norm=mean` then divides alpha by `size` squared.
    """

    keyword: ClassVar[str] = "lrn"
    positional: ClassVar[tuple[str, ...]] = ("size",)

    size: Count
    k: Positive
    alpha: NotNegative
    beta: NotNegative
    norm: Annotated[Literal["sum", "mean"], one_of("sum", "mean")]
    over: Annotated[Literal["tower", "all"] | None, one_of("tower", "all")] = None
    within: Annotated[Literal["map"] | None, one_of("map")] = None

    def output(self, given: Shape, towers: int) -> Shape:  # noqa: ARG002
        """The shape stays."""
        require_maps(given)
        if self.within == "map":
            if self.over is not None:
                raise ShapeError("E0303", "normalises within each map, so `over` means nothing", "over", "leave it out")
            return given
        if given.towers > 1 and self.over is None:
            raise ShapeError(
                "E0301",
                f"does not say over which of the {given.towers} towers it normalises",
                help="`over=tower`: inside each tower; `over=all`: across them",
            )
        return given

    def cut(self, given: Sequence[Shape], output: Shape, devices: int) -> Cut | None:  # noqa: ARG002
        """Whole towers or maps by themselves; across towers with a halo, which a device's only neighbours can give."""
        maps = given[0]
        if maps.channels % devices:
            return None
        if self.within == "map":
            return Cut(self)
        if self.over == "tower" and maps.towers > 1:
            return None if maps.towers % devices else Cut(self)
        halo = (self.size // 2, (self.size - 1) // 2)
        return None if max(halo) > maps.channels // devices else Cut(self, halo=halo)

    def torch(self, given: Shape, output: Shape) -> TorchModule:
        """The runtime's layer, which takes the sum; for `norm=mean` alpha is divided here."""
        return self.torch_on_mesh(given, output, OnMesh())

    def torch_on_mesh(self, given: Shape, output: Shape, place: OnMesh) -> TorchModule:  # noqa: ARG002
        """The same, with the neighbours' maps that it is given beside its own."""
        neighbours = self.size**2 if self.within == "map" else self.size
        alpha = self.alpha if self.norm == "sum" else self.alpha / neighbours
        arguments = [
            str(self.size), f"alpha={literal(alpha)}", f"beta={literal(self.beta)}", f"k={literal(self.k)}"
        ]  # fmt: skip
        if self.within == "map":
            return TorchModule(
                TorchCall("ResponseNormWithinMap", tuple(arguments)),
                ("from alexc.runtime.layers.response_norm_within_map import ResponseNormWithinMap",),
            )
        if self.over == "tower" and given.towers > 1:
            arguments.append(f"towers={given.towers}")
        if any(place.halo):
            arguments.append(f"halo={place.halo}")
        return TorchModule(
            TorchCall("LocalResponseNorm", tuple(arguments)),
            ("from alexc.runtime.layers.local_response_norm import LocalResponseNorm",),
        )
