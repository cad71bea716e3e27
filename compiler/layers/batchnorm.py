"""`batchnorm`: batch normalisation (Ioffe and Szegedy 2015)."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import BeforeValidator, Field

from alexc.compiler.arguments import Expects, Positive, Real, as_float
from alexc.compiler.initial_values import Constant
from alexc.compiler.layers.kind import Shape, TorchCall, TorchModule, Weights
from alexc.compiler.layers.trained import Trained
from alexc.compiler.python_text import literal

Momentum = Annotated[float, BeforeValidator(as_float), Field(gt=0, le=1), Expects("a number above 0 and up to 1")]


class Batchnorm(Trained):
    """Gives each feature map, or unit, mean 0 and variance 1 over a batch, then multiplies by and adds its own.

    At test time it takes running means and variances, to which a training step contributes the share `momentum`.
    `eps` is added to the variance. `weight` and `bias` are the numbers that these start from.
    """

    keyword: ClassVar[str] = "batchnorm"

    eps: Positive = 1e-5
    momentum: Momentum = 0.1
    weight: Real = 1.0
    bias: Real = 0.0

    def output(self, given: Shape, towers: int) -> Shape:  # noqa: ARG002
        """The shape stays."""
        return given

    def weights(self, given: Shape, output: Shape) -> Weights:  # noqa: ARG002
        """One weight and one bias a feature map or unit."""
        return Weights((given.channels,), given.channels, Constant(value=self.weight), self.bias)

    def neurons(self, given: Shape, output: Shape) -> int:  # noqa: ARG002
        """None: it rescales those of the layer before it."""
        return 0

    def torch(self, given: Shape, output: Shape) -> TorchModule:  # noqa: ARG002
        """`nn.BatchNorm2d`, or `nn.BatchNorm1d` for a vector."""
        arguments = [str(given.channels)]
        if self.eps != 1e-5:
            arguments.append(f"eps={literal(self.eps)}")
        if self.momentum != 0.1:
            arguments.append(f"momentum={literal(self.momentum)}")
        return TorchModule(TorchCall(f"nn.BatchNorm{2 if len(given.sizes) == 3 else 1}d", tuple(arguments)))
