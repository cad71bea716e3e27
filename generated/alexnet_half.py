"""HalfAlexNet: 59,798,312 parameters, 355,864 neurons.

Made by alexc from alexnet_half.net: edit that file, not this one.

    layer  output        weights  neurons  multiply-adds
    conv1  48x55x55       17,424  145,200     52,707,600
    conv2  128x27x27     153,600   93,312    111,974,400
    conv3  192x13x13     221,184   32,448     37,380,096
    conv4  192x13x13     331,776   32,448     56,070,144
    conv5  256x13x13     442,368   43,264     74,760,192
    fc6    4096       37,748,736    4,096     37,748,736
    fc7    4096       16,777,216    4,096     16,777,216
    fc8    1000        4,096,000    1,000      4,096,000
    total             59,788,304  355,864    391,514,384
"""

from typing import ClassVar

import torch.nn.functional as F
from alexc.runtime.augmentations.mirror import Mirror
from alexc.runtime.augmentations.pca_color import PCAColor
from alexc.runtime.augmentations.random_crop import RandomCrop
from alexc.runtime.layers.dropout import Dropout
from alexc.runtime.layers.initial_values import Normal, initialise
from alexc.runtime.layers.local_response_norm import LocalResponseNorm
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


class HalfAlexNet(nn.Module):
    """Images (N, 3, 227, 227) to logits (N, 1000); comments give one image's shapes."""

    input_shape: ClassVar[tuple[int, int, int]] = (3, 227, 227)

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 48, kernel_size=11, stride=4)
        self.conv1_lrn = LocalResponseNorm(5, alpha=0.0001, beta=0.75, k=2.0)
        self.conv2 = nn.Conv2d(48, 128, kernel_size=5, padding=2)
        self.conv2_lrn = LocalResponseNorm(5, alpha=0.0001, beta=0.75, k=2.0)
        self.conv3 = nn.Conv2d(128, 192, kernel_size=3, padding=1)
        self.conv4 = nn.Conv2d(192, 192, kernel_size=3, padding=1)
        self.conv5 = nn.Conv2d(192, 256, kernel_size=3, padding=1)
        self.fc6 = nn.Linear(9216, 4096)
        self.fc6_dropout = Dropout(0.5, scale="test")
        self.fc7 = nn.Linear(4096, 4096)
        self.fc7_dropout = Dropout(0.5, scale="test")
        self.fc8 = nn.Linear(4096, 1000)
        self.reset_parameters()

    def reset_parameters(self, seed: int | None = None) -> None:
        """Draw the initial values.

        With a `seed` each tensor is a function of the seed and of its name alone.
        """
        initialise(self.conv1, "conv1", seed, weight=Normal(0.0, 0.01), bias=0.0)
        initialise(self.conv2, "conv2", seed, weight=Normal(0.0, 0.01), bias=1.0)
        initialise(self.conv3, "conv3", seed, weight=Normal(0.0, 0.01), bias=0.0)
        initialise(self.conv4, "conv4", seed, weight=Normal(0.0, 0.01), bias=1.0)
        initialise(self.conv5, "conv5", seed, weight=Normal(0.0, 0.01), bias=1.0)
        initialise(self.fc6, "fc6", seed, weight=Normal(0.0, 0.01), bias=1.0)
        initialise(self.fc7, "fc7", seed, weight=Normal(0.0, 0.01), bias=1.0)
        initialise(self.fc8, "fc8", seed, weight=Normal(0.0, 0.01), bias=1.0)

    def forward(self, x: Tensor) -> Tensor:
        """The logits of each class: the softmax belongs to the loss."""
        x = F.relu(self.conv1(x))  # 48x55x55
        x = self.conv1_lrn(x)  # 48x55x55
        x = F.max_pool2d(x, kernel_size=3, stride=2)  # 48x27x27
        x = F.relu(self.conv2(x))  # 128x27x27
        x = self.conv2_lrn(x)  # 128x27x27
        x = F.max_pool2d(x, kernel_size=3, stride=2)  # 128x13x13
        x = F.relu(self.conv3(x))  # 192x13x13
        x = F.relu(self.conv4(x))  # 192x13x13
        x = F.relu(self.conv5(x))  # 256x13x13
        x = F.max_pool2d(x, kernel_size=3, stride=2)  # 256x6x6
        x = x.flatten(1)  # 9216
        x = F.relu(self.fc6(x))  # 4096
        x = self.fc6_dropout(x)  # 4096
        x = F.relu(self.fc7(x))  # 4096
        x = self.fc7_dropout(x)  # 4096
        x = self.fc8(x)  # 1000
        return x


RECIPE = Recipe(
    prepare=(Resize(256), CenterCrop(256), Subtract("mean_image")),
    augment=(RandomCrop(227), Mirror(), PCAColor(0.1)),
    test=TenCrop(227),
    loss=CrossEntropy(),
    optimizer=SGD(lr=0.01, momentum=0.9, weight_decay=0.0005),
    schedule=Plateau(of="val_error", divide=10.0, times=3),
    batch=128,
    epochs=90,
)
