"""`batchnorm`: batch normalisation (Ioffe and Szegedy 2015)."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import BeforeValidator, Field

from .arguments import Expects, Positive, Real, as_float
from .initial_values import Constant
from .kind import EachChannel, OnMesh, Shape, TorchCall, TorchModule, Weights
from .python_text import in_tuple, literal
from .rescaling import Rescaling

Momentum = Annotated[
    float, BeforeValidator(as_float), Field(gt=0, le=1), Expects("a number greater than 0 and at most 1")
]


class Batchnorm(EachChannel, Rescaling):
    """Normalises each feature map or unit to mean 0 and variance 1 over the batch, then applies its weight and bias.

    At test time it uses running averages of mean and variance; each training step contributes the fraction `momentum`.
    `eps` is added to the variance. `weight` and `bias` are the initial values of the weights and biases.
    """

    keyword: ClassVar[str] = "batchnorm"
    normalises: ClassVar[bool] = True
    shared_statistics: ClassVar[int] = 2  # mean and variance

    eps: Positive = 1e-5
    momentum: Momentum = 0.1
    weight: Real = 1.0
    bias: Real = 0.0

    def weights(self, given: Shape, output: Shape) -> Weights:  # noqa: ARG002
        """One weight and one bias per feature map or unit."""
        return Weights((given.channels,), given.channels, Constant(value=self.weight), self.bias)

    def torch(self, given: Shape, output: Shape) -> TorchModule:
        """`nn.BatchNorm2d`, or `nn.BatchNorm1d` for a vector."""
        return self.torch_on_mesh(given, output, OnMesh())

    def torch_on_mesh(self, given: Shape, output: Shape, place: OnMesh) -> TorchModule:  # noqa: ARG002
        """If the images are split, the runtime's `SharedBatchNorm2d`, with statistics over all images."""
        arguments = [str(given.channels)]
        if self.eps != 1e-5:
            arguments.append(f"eps={literal(self.eps)}")
        if self.momentum != 0.1:
            arguments.append(f"momentum={literal(self.momentum)}")
        name = f"BatchNorm{2 if len(given.sizes) == 3 else 1}d"
        if not place.images:
            return TorchModule(TorchCall(f"nn.{name}", tuple(arguments)))
        return TorchModule(
            TorchCall(f"Shared{name}", (*arguments, f"images={in_tuple(place.images)}")),
            (f"from alexc.runtime.layers.shared_batch_norm import Shared{name}",),
        )
