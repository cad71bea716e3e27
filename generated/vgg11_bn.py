"""VGG11BN: 132,868,840 parameters, 7,435,240 neurons.

Made by alexc from vgg11_bn.net: edit that file, not this one.

    layer   output           weights    neurons  multiply-adds
    stage1  64x224x224         1,792  3,211,264     86,704,128
    stage2  128x112x112       73,856  1,605,632    924,844,032
    stage3  256x56x56        885,248  1,605,632  2,774,532,096
    stage4  512x28x28      3,539,968    802,816  2,774,532,096
    stage5  512x14x14      4,719,616    200,704    924,844,032
    fc6     4096         102,760,448      4,096    102,760,448
    fc7     4096          16,777,216      4,096     16,777,216
    fc8     1000           4,096,000      1,000      4,096,000
    total                132,854,144  7,435,240  7,609,090,048
"""

from typing import ClassVar

import torch.nn.functional as F
from alexc.runtime.augmentations.mirror import Mirror
from alexc.runtime.augmentations.pca_color import PCAColor
from alexc.runtime.augmentations.random_crop import RandomCrop
from alexc.runtime.layers.dropout import Dropout
from alexc.runtime.layers.initial_values import Constant, Kaiming, Normal, initialise
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


class VGG11BN(nn.Module):
    """Images (N, 3, 224, 224) to logits (N, 1000); comments give one image's shapes."""

    input_shape: ClassVar[tuple[int, int, int]] = (3, 224, 224)

    def __init__(self) -> None:
        super().__init__()
        self.stage1_conv1 = nn.Conv2d(3, 64, kernel_size=3, padding=1)
        self.stage1_conv1_batchnorm = nn.BatchNorm2d(64)
        self.stage2_conv1 = nn.Conv2d(64, 128, kernel_size=3, padding=1)
        self.stage2_conv1_batchnorm = nn.BatchNorm2d(128)
        self.stage3_conv1 = nn.Conv2d(128, 256, kernel_size=3, padding=1)
        self.stage3_conv1_batchnorm = nn.BatchNorm2d(256)
        self.stage3_conv2 = nn.Conv2d(256, 256, kernel_size=3, padding=1)
        self.stage3_conv2_batchnorm = nn.BatchNorm2d(256)
        self.stage4_conv1 = nn.Conv2d(256, 512, kernel_size=3, padding=1)
        self.stage4_conv1_batchnorm = nn.BatchNorm2d(512)
        self.stage4_conv2 = nn.Conv2d(512, 512, kernel_size=3, padding=1)
        self.stage4_conv2_batchnorm = nn.BatchNorm2d(512)
        self.stage5_conv1 = nn.Conv2d(512, 512, kernel_size=3, padding=1)
        self.stage5_conv1_batchnorm = nn.BatchNorm2d(512)
        self.stage5_conv2 = nn.Conv2d(512, 512, kernel_size=3, padding=1)
        self.stage5_conv2_batchnorm = nn.BatchNorm2d(512)
        self.fc6 = nn.Linear(25088, 4096)
        self.fc6_dropout = Dropout(0.5, scale="train")
        self.fc7 = nn.Linear(4096, 4096)
        self.fc7_dropout = Dropout(0.5, scale="train")
        self.fc8 = nn.Linear(4096, 1000)
        self.reset_parameters()

    def reset_parameters(self, seed: int | None = None) -> None:
        """Draw the initial values.

        With a `seed` each tensor is a function of the seed and of its name alone.
        """
        initialise(self.stage1_conv1, "stage1_conv1", seed, weight=Kaiming(), bias=0.0)
        initialise(
            self.stage1_conv1_batchnorm,
            "stage1_conv1_batchnorm",
            seed,
            weight=Constant(1.0),
            bias=0.0,
        )
        initialise(self.stage2_conv1, "stage2_conv1", seed, weight=Kaiming(), bias=0.0)
        initialise(
            self.stage2_conv1_batchnorm,
            "stage2_conv1_batchnorm",
            seed,
            weight=Constant(1.0),
            bias=0.0,
        )
        initialise(self.stage3_conv1, "stage3_conv1", seed, weight=Kaiming(), bias=0.0)
        initialise(
            self.stage3_conv1_batchnorm,
            "stage3_conv1_batchnorm",
            seed,
            weight=Constant(1.0),
            bias=0.0,
        )
        initialise(self.stage3_conv2, "stage3_conv2", seed, weight=Kaiming(), bias=0.0)
        initialise(
            self.stage3_conv2_batchnorm,
            "stage3_conv2_batchnorm",
            seed,
            weight=Constant(1.0),
            bias=0.0,
        )
        initialise(self.stage4_conv1, "stage4_conv1", seed, weight=Kaiming(), bias=0.0)
        initialise(
            self.stage4_conv1_batchnorm,
            "stage4_conv1_batchnorm",
            seed,
            weight=Constant(1.0),
            bias=0.0,
        )
        initialise(self.stage4_conv2, "stage4_conv2", seed, weight=Kaiming(), bias=0.0)
        initialise(
            self.stage4_conv2_batchnorm,
            "stage4_conv2_batchnorm",
            seed,
            weight=Constant(1.0),
            bias=0.0,
        )
        initialise(self.stage5_conv1, "stage5_conv1", seed, weight=Kaiming(), bias=0.0)
        initialise(
            self.stage5_conv1_batchnorm,
            "stage5_conv1_batchnorm",
            seed,
            weight=Constant(1.0),
            bias=0.0,
        )
        initialise(self.stage5_conv2, "stage5_conv2", seed, weight=Kaiming(), bias=0.0)
        initialise(
            self.stage5_conv2_batchnorm,
            "stage5_conv2_batchnorm",
            seed,
            weight=Constant(1.0),
            bias=0.0,
        )
        initialise(self.fc6, "fc6", seed, weight=Normal(0.0, 0.01), bias=0.0)
        initialise(self.fc7, "fc7", seed, weight=Normal(0.0, 0.01), bias=0.0)
        initialise(self.fc8, "fc8", seed, weight=Normal(0.0, 0.01), bias=0.0)

    def forward(self, x: Tensor) -> Tensor:
        """The logits of each class: the softmax belongs to the loss."""
        x = self.stage1_conv1(x)  # 64x224x224
        x = F.relu(self.stage1_conv1_batchnorm(x))  # 64x224x224
        x = F.max_pool2d(x, kernel_size=2)  # 64x112x112
        x = self.stage2_conv1(x)  # 128x112x112
        x = F.relu(self.stage2_conv1_batchnorm(x))  # 128x112x112
        x = F.max_pool2d(x, kernel_size=2)  # 128x56x56
        x = self.stage3_conv1(x)  # 256x56x56
        x = F.relu(self.stage3_conv1_batchnorm(x))  # 256x56x56
        x = self.stage3_conv2(x)  # 256x56x56
        x = F.relu(self.stage3_conv2_batchnorm(x))  # 256x56x56
        x = F.max_pool2d(x, kernel_size=2)  # 256x28x28
        x = self.stage4_conv1(x)  # 512x28x28
        x = F.relu(self.stage4_conv1_batchnorm(x))  # 512x28x28
        x = self.stage4_conv2(x)  # 512x28x28
        x = F.relu(self.stage4_conv2_batchnorm(x))  # 512x28x28
        x = F.max_pool2d(x, kernel_size=2)  # 512x14x14
        x = self.stage5_conv1(x)  # 512x14x14
        x = F.relu(self.stage5_conv1_batchnorm(x))  # 512x14x14
        x = self.stage5_conv2(x)  # 512x14x14
        x = F.relu(self.stage5_conv2_batchnorm(x))  # 512x14x14
        x = F.max_pool2d(x, kernel_size=2)  # 512x7x7
        x = x.flatten(1)  # 25088
        x = F.relu(self.fc6(x))  # 4096
        x = self.fc6_dropout(x)  # 4096
        x = F.relu(self.fc7(x))  # 4096
        x = self.fc7_dropout(x)  # 4096
        x = self.fc8(x)  # 1000
        return x


RECIPE = Recipe(
    prepare=(Resize(256), CenterCrop(256), Normalize()),
    augment=(RandomCrop(224), Mirror(), PCAColor(0.1)),
    test=TenCrop(224),
    loss=CrossEntropy(),
    optimizer=SGD(lr=0.01, momentum=0.9, weight_decay=0.0005),
    schedule=Plateau(of="val_error", divide=10.0, times=3),
    batch=256,
    epochs=74,
)
