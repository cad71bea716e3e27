"""OverFeatFast: 145,920,872 parameters, 825,320 neurons.

Made by alexc from overfeat_fast.net: edit that file, not this one.

    layer  output          weights  neurons  multiply-adds
    conv1  96x56x56         34,848  301,056    109,283,328
    conv2  256x24x24       614,400  147,456    353,894,400
    conv3  512x12x12     1,179,648   73,728    169,869,312
    conv4  1024x12x12    4,718,592  147,456    679,477,248
    conv5  1024x12x12    9,437,184  147,456  1,358,954,496
    fc6    3072        113,246,208    3,072    113,246,208
    fc7    4096         12,582,912    4,096     12,582,912
    fc8    1000          4,096,000    1,000      4,096,000
    total              145,909,792  825,320  2,801,403,904
"""

from typing import ClassVar

import torch.nn.functional as F
from alexc.runtime.augmentations.mirror import Mirror
from alexc.runtime.augmentations.random_crop import RandomCrop
from alexc.runtime.layers.dropout import Dropout
from alexc.runtime.layers.initial_values import Normal, initialise
from alexc.runtime.recipes import (
    SGD,
    CenterCrop,
    CrossEntropy,
    Plateau,
    Recipe,
    Resize,
    Subtract,
    TenCrop,
)
from torch import Tensor, nn


class OverFeatFast(nn.Module):
    """Images (N, 3, 231, 231) to logits (N, 1000); comments give one image's shapes."""

    input_shape: ClassVar[tuple[int, int, int]] = (3, 231, 231)

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 96, kernel_size=11, stride=4)
        self.conv2 = nn.Conv2d(96, 256, kernel_size=5)
        self.conv3 = nn.Conv2d(256, 512, kernel_size=3, padding=1)
        self.conv4 = nn.Conv2d(512, 1024, kernel_size=3, padding=1)
        self.conv5 = nn.Conv2d(1024, 1024, kernel_size=3, padding=1)
        self.fc6 = nn.Linear(36864, 3072)
        self.fc6_dropout = Dropout(0.5, scale="train")
        self.fc7 = nn.Linear(3072, 4096)
        self.fc7_dropout = Dropout(0.5, scale="train")
        self.fc8 = nn.Linear(4096, 1000)
        self.reset_parameters()

    def reset_parameters(self, seed: int | None = None) -> None:
        """Draw the initial values.

        With a `seed` each tensor is a function of the seed and of its name alone.
        """
        initialise(self.conv1, "conv1", seed, weight=Normal(0.0, 0.01), bias=0.0)
        initialise(self.conv2, "conv2", seed, weight=Normal(0.0, 0.01), bias=0.0)
        initialise(self.conv3, "conv3", seed, weight=Normal(0.0, 0.01), bias=0.0)
        initialise(self.conv4, "conv4", seed, weight=Normal(0.0, 0.01), bias=0.0)
        initialise(self.conv5, "conv5", seed, weight=Normal(0.0, 0.01), bias=0.0)
        initialise(self.fc6, "fc6", seed, weight=Normal(0.0, 0.01), bias=0.0)
        initialise(self.fc7, "fc7", seed, weight=Normal(0.0, 0.01), bias=0.0)
        initialise(self.fc8, "fc8", seed, weight=Normal(0.0, 0.01), bias=0.0)

    def forward(self, x: Tensor) -> Tensor:
        """The logits of each class: the softmax belongs to the loss."""
        x = F.relu(self.conv1(x))  # 96x56x56
        x = F.max_pool2d(x, kernel_size=2)  # 96x28x28
        x = F.relu(self.conv2(x))  # 256x24x24
        x = F.max_pool2d(x, kernel_size=2)  # 256x12x12
        x = F.relu(self.conv3(x))  # 512x12x12
        x = F.relu(self.conv4(x))  # 1024x12x12
        x = F.relu(self.conv5(x))  # 1024x12x12
        x = F.max_pool2d(x, kernel_size=2)  # 1024x6x6
        x = x.flatten(1)  # 36864
        x = F.relu(self.fc6(x))  # 3072
        x = self.fc6_dropout(x)  # 3072
        x = F.relu(self.fc7(x))  # 4096
        x = self.fc7_dropout(x)  # 4096
        x = self.fc8(x)  # 1000
        return x


RECIPE = Recipe(
    prepare=(Resize(256), CenterCrop(256), Subtract("mean_image")),
    augment=(RandomCrop(231), Mirror()),
    test=TenCrop(231),
    loss=CrossEntropy(),
    optimizer=SGD(lr=0.05, momentum=0.6, weight_decay=1e-05),
    schedule=Plateau(of="val_error", divide=2.0, times=5),
    batch=128,
    epochs=90,
)
