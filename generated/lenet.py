"""LeNet: 431,080 parameters, 15,230 neurons.

Made by alexc from lenet.net: edit that file, not this one.

    layer  output    weights  neurons  multiply-adds
    conv1  20x24x24      500   11,520        288,000
    conv2  50x8x8     25,000    3,200      1,600,000
    ip1    500       400,000      500        400,000
    ip2    10          5,000       10          5,000
    total            430,500   15,230      2,293,000
"""

from typing import ClassVar

import torch.nn.functional as F
from alexc.runtime.layers.initial_values import LeCun, initialise
from alexc.runtime.recipes import (
    SGD,
    CenterCrop,
    CenterView,
    CrossEntropy,
    InverseRate,
    Normalize,
    Recipe,
    Resize,
)
from torch import Tensor, nn


class LeNet(nn.Module):
    """Images (N, 1, 28, 28) to logits (N, 10); comments give one image's shapes."""

    input_shape: ClassVar[tuple[int, int, int]] = (1, 28, 28)
    multipliers: ClassVar[dict[str, tuple[float, float]]] = {
        "conv1.bias": (2.0, 1.0),
        "conv2.bias": (2.0, 1.0),
        "ip1.bias": (2.0, 1.0),
        "ip2.bias": (2.0, 1.0),
    }

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 20, kernel_size=5)
        self.conv2 = nn.Conv2d(20, 50, kernel_size=5)
        self.ip1 = nn.Linear(800, 500)
        self.ip2 = nn.Linear(500, 10)
        self.reset_parameters()

    def reset_parameters(self, seed: int | None = None) -> None:
        """Draw the initial values.

        With a `seed` each tensor is a function of the seed and of its name alone.
        """
        initialise(self.conv1, "conv1", seed, weight=LeCun(), bias=0.0)
        initialise(self.conv2, "conv2", seed, weight=LeCun(), bias=0.0)
        initialise(self.ip1, "ip1", seed, weight=LeCun(), bias=0.0)
        initialise(self.ip2, "ip2", seed, weight=LeCun(), bias=0.0)

    def forward(self, x: Tensor) -> Tensor:
        """The logits of each class: the softmax belongs to the loss."""
        x = self.conv1(x)  # 20x24x24
        x = F.max_pool2d(x, kernel_size=2)  # 20x12x12
        x = self.conv2(x)  # 50x8x8
        x = F.max_pool2d(x, kernel_size=2)  # 50x4x4
        x = x.flatten(1)  # 800
        x = F.relu(self.ip1(x))  # 500
        x = self.ip2(x)  # 10
        return x


RECIPE = Recipe(
    prepare=(Resize(28), CenterCrop(28), Normalize(mean=(0.0,), std=(1.0039216,))),
    augment=(),
    test=CenterView(28),
    loss=CrossEntropy(),
    optimizer=SGD(lr=0.01, momentum=0.9, weight_decay=0.0005),
    schedule=InverseRate(gamma=0.0001, power=0.75),
    batch=64,
    iterations=10000,
)
