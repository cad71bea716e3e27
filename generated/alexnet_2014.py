"""AlexNet2014: 61,100,840 parameters, 494,184 neurons.

Made by alexc from alexnet_2014.net: edit that file, not this one.

    layer  output        weights  neurons  multiply-adds
    conv1  64x55x55       23,232  193,600     70,276,800
    conv2  192x27x27     307,200  139,968    223,948,800
    conv3  384x13x13     663,552   64,896    112,140,288
    conv4  256x13x13     884,736   43,264    149,520,384
    conv5  256x13x13     589,824   43,264     99,680,256
    fc6    4096       37,748,736    4,096     37,748,736
    fc7    4096       16,777,216    4,096     16,777,216
    fc8    1000        4,096,000    1,000      4,096,000
    total             61,090,496  494,184    714,188,480
"""

from typing import ClassVar

import torch.nn.functional as F
from alexc.runtime.augmentations.mirror import Mirror
from alexc.runtime.augmentations.pca_color import PCAColor
from alexc.runtime.augmentations.random_crop import RandomCrop
from alexc.runtime.layers.dropout import Dropout
from alexc.runtime.layers.initial_values import Kaiming, Normal, initialise
from alexc.runtime.recipes import (
    SGD,
    CenterCrop,
    CrossEntropy,
    Normalize,
    Plateau,
    Recipe,
    Resize,
    TenCrop,
)
from torch import Tensor, nn


class AlexNet2014(nn.Module):
    """Images (N, 3, 224, 224) to logits (N, 1000); comments give one image's shapes."""

    input_shape: ClassVar[tuple[int, int, int]] = (3, 224, 224)

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, kernel_size=11, stride=4, padding=2)
        self.conv2 = nn.Conv2d(64, 192, kernel_size=5, padding=2)
        self.conv3 = nn.Conv2d(192, 384, kernel_size=3, padding=1)
        self.conv4 = nn.Conv2d(384, 256, kernel_size=3, padding=1)
        self.conv5 = nn.Conv2d(256, 256, kernel_size=3, padding=1)
        self.conv5_dropout = Dropout(0.5, scale="train")
        self.fc6 = nn.Linear(9216, 4096)
        self.fc6_dropout = Dropout(0.5, scale="train")
        self.fc7 = nn.Linear(4096, 4096)
        self.fc8 = nn.Linear(4096, 1000)
        self.reset_parameters()

    def reset_parameters(self, seed: int | None = None) -> None:
        """Draw the initial values.

        With a `seed` each tensor is a function of the seed and of its name alone.
        """
        initialise(self.conv1, "conv1", seed, weight=Kaiming(), bias=0.0)
        initialise(self.conv2, "conv2", seed, weight=Kaiming(), bias=0.0)
        initialise(self.conv3, "conv3", seed, weight=Kaiming(), bias=0.0)
        initialise(self.conv4, "conv4", seed, weight=Kaiming(), bias=0.0)
        initialise(self.conv5, "conv5", seed, weight=Kaiming(), bias=0.0)
        initialise(self.fc6, "fc6", seed, weight=Kaiming(), bias=0.0)
        initialise(self.fc7, "fc7", seed, weight=Kaiming(), bias=0.0)
        initialise(self.fc8, "fc8", seed, weight=Normal(0.0, 0.01), bias=0.0)

    def forward(self, x: Tensor) -> Tensor:
        """The logits of each class: the softmax belongs to the loss."""
        x = F.relu(self.conv1(x))  # 64x55x55
        x = F.max_pool2d(x, kernel_size=3, stride=2)  # 64x27x27
        x = F.relu(self.conv2(x))  # 192x27x27
        x = F.max_pool2d(x, kernel_size=3, stride=2)  # 192x13x13
        x = F.relu(self.conv3(x))  # 384x13x13
        x = F.relu(self.conv4(x))  # 256x13x13
        x = F.relu(self.conv5(x))  # 256x13x13
        x = F.max_pool2d(x, kernel_size=3, stride=2)  # 256x6x6
        x = self.conv5_dropout(x)  # 256x6x6
        x = x.flatten(1)  # 9216
        x = F.relu(self.fc6(x))  # 4096
        x = self.fc6_dropout(x)  # 4096
        x = F.relu(self.fc7(x))  # 4096
        x = self.fc8(x)  # 1000
        return x


RECIPE = Recipe(
    prepare=(Resize(256), CenterCrop(256), Normalize()),
    augment=(RandomCrop(224), Mirror(), PCAColor(0.1)),
    test=TenCrop(224),
    loss=CrossEntropy(),
    optimizer=SGD(lr=0.01, momentum=0.9, weight_decay=0.0005),
    schedule=Plateau(of="val_error", divide=10.0, times=3),
    batch=128,
    epochs=90,
)
