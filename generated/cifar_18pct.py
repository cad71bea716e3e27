"""Cifar18Pct: 89,578 parameters, 45,066 neurons.

Made by alexc from cifar_18pct.net: edit that file, not this one.

    layer  output    weights  neurons  multiply-adds
    conv1  32x32x32    2,400   32,768      2,457,600
    conv2  32x16x16   25,600    8,192      6,553,600
    conv3  64x8x8     51,200    4,096      3,276,800
    fc10   10         10,240       10         10,240
    total             89,440   45,066     12,298,240
"""

from typing import ClassVar

import torch.nn.functional as F
from alexc.runtime.layers.initial_values import Normal, initialise
from alexc.runtime.layers.response_norm_within_map import ResponseNormWithinMap
from alexc.runtime.recipes import (
    SGD,
    CenterCrop,
    CenterView,
    CrossEntropy,
    MilestoneRate,
    Recipe,
    Resize,
    Subtract,
)
from torch import Tensor, nn


class Cifar18Pct(nn.Module):
    """Images (N, 3, 32, 32) to logits (N, 10); comments give one image's shapes."""

    input_shape: ClassVar[tuple[int, int, int]] = (3, 32, 32)
    multipliers: ClassVar[dict[str, tuple[float, float]]] = {
        "conv1.bias": (2.0, 0.0),
        "conv2.bias": (2.0, 0.0),
        "conv3.bias": (2.0, 0.0),
        "fc10.weight": (1.0, 250.0),
        "fc10.bias": (2.0, 0.0),
    }

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 32, kernel_size=5, padding=2)
        self.conv1_lrn = ResponseNormWithinMap(
            3,
            alpha=5.555555555555556e-06,
            beta=0.75,
            k=1.0,
        )
        self.conv2 = nn.Conv2d(32, 32, kernel_size=5, padding=2)
        self.conv2_lrn = ResponseNormWithinMap(
            3,
            alpha=5.555555555555556e-06,
            beta=0.75,
            k=1.0,
        )
        self.conv3 = nn.Conv2d(32, 64, kernel_size=5, padding=2)
        self.fc10 = nn.Linear(1024, 10)
        self.reset_parameters()

    def reset_parameters(self, seed: int | None = None) -> None:
        """Draw the initial values.

        With a `seed` each tensor is a function of the seed and of its name alone.
        """
        initialise(self.conv1, "conv1", seed, weight=Normal(0.0, 0.0001), bias=0.0)
        initialise(self.conv2, "conv2", seed, weight=Normal(0.0, 0.01), bias=0.0)
        initialise(self.conv3, "conv3", seed, weight=Normal(0.0, 0.01), bias=0.0)
        initialise(self.fc10, "fc10", seed, weight=Normal(0.0, 0.01), bias=0.0)

    def forward(self, x: Tensor) -> Tensor:
        """The logits of each class: the softmax belongs to the loss."""
        x = self.conv1(x)  # 32x32x32
        x = F.relu(F.max_pool2d(x, kernel_size=3, stride=2, ceil_mode=True))  # 32x16x16
        x = self.conv1_lrn(x)  # 32x16x16
        x = F.relu(self.conv2(x))  # 32x16x16
        x = F.avg_pool2d(x, kernel_size=3, stride=2, ceil_mode=True)  # 32x8x8
        x = self.conv2_lrn(x)  # 32x8x8
        x = F.relu(self.conv3(x))  # 64x8x8
        x = F.avg_pool2d(x, kernel_size=3, stride=2, ceil_mode=True)  # 64x4x4
        x = x.flatten(1)  # 1024
        x = self.fc10(x)  # 10
        return x


RECIPE = Recipe(
    prepare=(Resize(32), CenterCrop(32), Subtract("mean_image")),
    augment=(),
    test=CenterView(32),
    loss=CrossEntropy(),
    optimizer=SGD(lr=0.001, momentum=0.9, weight_decay=0.004),
    schedule=MilestoneRate(at=(120, 130), divide=10.0),
    batch=128,
    epochs=140,
)
