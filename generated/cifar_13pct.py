"""Cifar13Pct: 1,116,490 parameters, 48,394 neurons.

Made by alexc from cifar_13pct.net: edit that file, not this one.

    layer   output      weights  neurons  multiply-adds
    conv1   64x24x24      4,800   36,864      2,764,800
    conv2   64x12x12    102,400    9,216     14,745,600
    local3  32x6x6      663,552    1,152        663,552
    local4  32x6x6      331,776    1,152        331,776
    fc10    10           11,520       10         11,520
    total             1,114,048   48,394     18,517,248
"""

from typing import ClassVar

import torch.nn.functional as F
from alexc.runtime.augmentations.mirror import Mirror
from alexc.runtime.augmentations.random_crop import RandomCrop
from alexc.runtime.layers.initial_values import Normal, initialise
from alexc.runtime.layers.local_convolution import LocalConv2d
from alexc.runtime.recipes import (
    SGD,
    CenterCrop,
    CrossEntropy,
    MilestoneRate,
    Recipe,
    Resize,
    Subtract,
    TenCrop,
)
from torch import Tensor, nn


class Cifar13Pct(nn.Module):
    """Images (N, 3, 24, 24) to logits (N, 10); comments give one image's shapes."""

    input_shape: ClassVar[tuple[int, int, int]] = (3, 24, 24)
    multipliers: ClassVar[dict[str, tuple[float, float]]] = {
        "conv1.weight": (1.0, 0.0),
        "conv1.bias": (2.0, 0.0),
        "conv2.weight": (1.0, 0.0),
        "conv2.bias": (2.0, 0.0),
        "local3.bias": (2.0, 0.0),
        "local4.bias": (2.0, 0.0),
        "fc10.bias": (2.0, 0.0),
    }

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, kernel_size=5, padding=2)
        self.conv2 = nn.Conv2d(64, 64, kernel_size=5, padding=2)
        self.local3 = LocalConv2d(64, 32, (6, 6), kernel_size=3, padding=1)
        self.local4 = LocalConv2d(32, 32, (6, 6), kernel_size=3, padding=1)
        self.fc10 = nn.Linear(1152, 10)
        self.reset_parameters()

    def reset_parameters(self, seed: int | None = None) -> None:
        """Draw the initial values.

        With a `seed` each tensor is a function of the seed and of its name alone.
        """
        initialise(self.conv1, "conv1", seed, weight=Normal(0.0, 0.0001), bias=0.0)
        initialise(self.conv2, "conv2", seed, weight=Normal(0.0, 0.01), bias=0.0)
        initialise(self.local3, "local3", seed, weight=Normal(0.0, 0.04), bias=0.0)
        initialise(self.local4, "local4", seed, weight=Normal(0.0, 0.04), bias=0.0)
        initialise(self.fc10, "fc10", seed, weight=Normal(0.0, 0.01), bias=0.0)

    def forward(self, x: Tensor) -> Tensor:
        """The logits of each class: the softmax belongs to the loss."""
        x = F.relu(self.conv1(x))  # 64x24x24
        x = F.max_pool2d(x, kernel_size=3, stride=2, ceil_mode=True)  # 64x12x12
        x = F.relu(self.conv2(x))  # 64x12x12
        x = F.max_pool2d(x, kernel_size=3, stride=2, ceil_mode=True)  # 64x6x6
        x = F.relu(self.local3(x))  # 32x6x6
        x = F.relu(self.local4(x))  # 32x6x6
        x = x.flatten(1)  # 1152
        x = self.fc10(x)  # 10
        return x


RECIPE = Recipe(
    prepare=(Resize(32), CenterCrop(32), Subtract("mean_image")),
    augment=(RandomCrop(24), Mirror()),
    test=TenCrop(24),
    loss=CrossEntropy(),
    optimizer=SGD(lr=0.001, momentum=0.9, weight_decay=0.004),
    schedule=MilestoneRate(at=(140, 150), divide=10.0),
    batch=128,
    epochs=160,
)
