"""`prelu`: ReLU with a learned slope for negative values (He et al. 2015)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from .arguments import Real, YesOrNo
from .initial_values import Constant
from .kind import Cut, EachChannel, Shape, TorchCall, TorchModule, Weights
from .rescaling import Rescaling


class Prelu(EachChannel, Rescaling):
    """Multiplies negative values by a learned slope, one for each feature map or unit, that starts at `weight`.

    With `shared=yes` all maps have the same slope. `weight_decay=0` keeps the slopes from shrinking to ReLU.
    """

    keyword: ClassVar[str] = "prelu"
    positional: ClassVar[tuple[str, ...]] = ("weight",)

    weight: Real = 0.25
    shared: YesOrNo = "no"

    def weights(self, given: Shape, output: Shape) -> Weights:  # noqa: ARG002
        """One slope per feature map or unit, or a single one."""
        return Weights((self._slopes(given),), 0, Constant(value=self.weight), None)

    def cut(self, given: Sequence[Shape], output: Shape, devices: int) -> Cut | None:
        """Any share of the channels, unless they have one slope."""
        return None if self.shared == "yes" else super().cut(given, output, devices)

    def torch(self, given: Shape, output: Shape) -> TorchModule:  # noqa: ARG002
        """`nn.PReLU`."""
        return TorchModule(TorchCall("nn.PReLU", (str(self._slopes(given)),)))

    def _slopes(self, given: Shape) -> int:
        return 1 if self.shared == "yes" else given.channels
