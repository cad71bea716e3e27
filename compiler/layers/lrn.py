"""`lrn`: local response normalisation (section 3.3 of the paper)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

from .arguments import Count, NotNegative, Positive, one_of
from .kind import ArgumentEdit, Cut, Kind, OnMesh, Shape, ShapeError, TorchCall, TorchModule, require_maps
from .python_text import literal


class Lrn(Kind):
    """Divides each value by (k + alpha * sum) ** beta; the sum is over the squares of `size` neighbouring maps.

    The squares are taken at the same place of the maps. `norm=sum` is the formula of the paper. `norm=mean` divides
    alpha by `size`, as PyTorch and Caffe do. `over=tower` takes only maps of the same tower, `over=all` maps of all
    towers. With `within=map` the sum is over the `size` by `size` places around the value in its own map, as in
    cuda-convnet; `norm=mean` then divides alpha by `size` squared, and a default for `over` is ignored. `about=mean`
    takes the squares of the differences from the mean of the window around each place, which normalises the local
    contrast.
    """

    keyword: ClassVar[str] = "lrn"
    positional: ClassVar[tuple[str, ...]] = ("size",)
    exclusive: ClassVar[tuple[str, ...]] = ("over", "within")

    size: Count
    k: Positive
    alpha: NotNegative
    beta: NotNegative
    norm: Annotated[Literal["sum", "mean"], one_of("sum", "mean")]
    over: Annotated[Literal["tower", "all"] | None, one_of("tower", "all")] = None
    within: Annotated[Literal["map"] | None, one_of("map")] = None
    about: Annotated[Literal["mean"] | None, one_of("mean")] = None

    def output(self, given: Shape, towers: int) -> Shape:  # noqa: ARG002
        """The same shape."""
        require_maps(given)
        if self.within == "map":
            if self.over is not None:
                message = "normalises within each map, so `over` has no effect"
                raise ShapeError("E0303", message, "over", "remove `over`", (ArgumentEdit("over", None),))
            return given
        if self.about is not None:
            message = "has `about=mean`, which needs the mean of a window in the map"
            edits = (ArgumentEdit("within", "map"), ArgumentEdit("about", None))
            raise ShapeError("E0303", message, "about", "add `within=map`, or remove `about=mean`", edits)
        if given.towers > 1 and self.over is None:
            raise ShapeError(
                "E0301",
                f"needs `over`, because its input is split into {given.towers} towers",
                help="write `over=tower` to normalise inside each tower, or `over=all` to normalise across all towers",
                edits=(ArgumentEdit("over", "tower"), ArgumentEdit("over", "all")),
            )
        return given

    def cut(self, given: Sequence[Shape], output: Shape, devices: int) -> Cut | None:  # noqa: ARG002
        """Whole towers, or maps by themselves. Across towers a halo is needed, which the two neighbours must have."""
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
        """The runtime's `LocalResponseNorm`, which takes the sum; alpha is divided here for `norm=mean`."""
        return self.torch_on_mesh(given, output, OnMesh())

    def torch_on_mesh(self, given: Shape, output: Shape, place: OnMesh) -> TorchModule:  # noqa: ARG002
        """The same layer with the halo of maps from the neighbours."""
        neighbours = self.size**2 if self.within == "map" else self.size
        alpha = self.alpha if self.norm == "sum" else self.alpha / neighbours
        arguments = [
            str(self.size), f"alpha={literal(alpha)}", f"beta={literal(self.beta)}", f"k={literal(self.k)}"
        ]  # fmt: skip
        if self.within == "map":
            if self.about == "mean":
                arguments.append('about="mean"')
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
