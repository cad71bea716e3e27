"""AlexNet2012: 60,965,224 parameters, 659,272 neurons.

Made by alexc from alexnet_2012.net: edit that file, not this one.

    layer  output        weights  neurons  multiply-adds
    conv1  96x55x55       34,848  290,400    105,415,200
    conv2  256x27x27     307,200  186,624    223,948,800
    conv3  384x13x13     884,736   64,896    149,520,384
    conv4  384x13x13     663,552   64,896    112,140,288
    conv5  256x13x13     442,368   43,264     74,760,192
    fc6    4096       37,748,736    4,096     37,748,736
    fc7    4096       16,777,216    4,096     16,777,216
    fc8    1000        4,096,000    1,000      4,096,000
    total             60,954,656  659,272    724,406,816
"""

from typing import ClassVar

import torch.nn.functional as F
from alexc.runtime.augmentations.mirror import Mirror
from alexc.runtime.augmentations.pca_color import PCAColor
from alexc.runtime.augmentations.random_crop import RandomCrop
from alexc.runtime.layers.dropout import Dropout
from alexc.runtime.layers.initial_values import Normal, initialise
from alexc.runtime.layers.local_response_norm import LocalResponseNorm
from alexc.runtime.layers.response_norm_within_map import ResponseNormWithinMap
from alexc.runtime.recipes import (
    SGD,
    CenterCrop,
    CrossEntropy,
    FreezeLayer,
    MilestoneRate,
    Recipe,
    Resize,
    SlowLayer,
    Subtract,
    TenCrop,
)
from torch import Tensor, nn


class AlexNet2012(nn.Module):
    """Images (N, 3, 224, 224) to logits (N, 1000); comments give one image's shapes.

    Cut into 2 towers; in conv2, conv4 and conv5 a tower reads its own maps only.
    """

    input_shape: ClassVar[tuple[int, int, int]] = (3, 224, 224)
    multipliers: ClassVar[dict[str, tuple[float, float]]] = {
        "conv1.bias": (2.0, 0.0),
        "conv2.bias": (2.0, 0.0),
        "conv3.bias": (2.0, 0.0),
        "conv4.bias": (2.0, 0.0),
        "conv5.bias": (2.0, 0.0),
        "fc6.bias": (2.0, 0.0),
        "fc7.bias": (2.0, 0.0),
        "fc8.bias": (2.0, 0.0),
    }

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 96, kernel_size=11, stride=4)
        self.conv1_lrn = LocalResponseNorm(5, alpha=2e-05, beta=0.75, k=2.0, towers=2)
        self.conv2 = nn.Conv2d(96, 256, kernel_size=5, padding=2, groups=2)
        self.conv2_lrn = LocalResponseNorm(5, alpha=2e-05, beta=0.75, k=2.0, towers=2)
        self.conv2_lrn2 = ResponseNormWithinMap(5, alpha=4e-05, beta=0.75, k=1.0)
        self.conv3 = nn.Conv2d(256, 384, kernel_size=3, padding=1)
        self.conv4 = nn.Conv2d(384, 384, kernel_size=3, padding=1, groups=2)
        self.conv5 = nn.Conv2d(384, 256, kernel_size=3, padding=1, groups=2)
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
        initialise(self.conv3, "conv3", seed, weight=Normal(0.0, 0.03), bias=0.0)
        initialise(self.conv4, "conv4", seed, weight=Normal(0.0, 0.03), bias=1.0)
        initialise(self.conv5, "conv5", seed, weight=Normal(0.0, 0.03), bias=1.0)
        initialise(self.fc6, "fc6", seed, weight=Normal(0.0, 0.01), bias=1.0)
        initialise(self.fc7, "fc7", seed, weight=Normal(0.0, 0.01), bias=1.0)
        initialise(self.fc8, "fc8", seed, weight=Normal(0.0, 0.01), bias=0.0)

    def forward(self, x: Tensor) -> Tensor:
        """The logits of each class: the softmax belongs to the loss."""
        x = self.conv1(F.pad(x, (0, 3, 0, 3)))  # 96x55x55
        x = self.conv1_lrn(x)  # 96x55x55
        x = F.relu(F.max_pool2d(x, kernel_size=3, stride=2))  # 96x27x27
        x = F.relu(self.conv2(x))  # 256x27x27
        x = self.conv2_lrn(x)  # 256x27x27
        x = self.conv2_lrn2(x)  # 256x27x27
        x = F.max_pool2d(x, kernel_size=3, stride=2)  # 256x13x13
        x = F.relu(self.conv3(x))  # 384x13x13
        x = F.relu(self.conv4(x))  # 384x13x13
        x = self.conv5(x)  # 256x13x13
        x = F.relu(F.max_pool2d(x, kernel_size=3, stride=2))  # 256x6x6
        x = x.flatten(1)  # 9216
        x = F.relu(self.fc6(x))  # 4096
        x = self.fc6_dropout(x)  # 4096
        x = F.relu(self.fc7(x))  # 4096
        x = self.fc7_dropout(x)  # 4096
        x = self.fc8(x)  # 1000
        return x


RECIPE = Recipe(
    prepare=(Resize(256), CenterCrop(256), Subtract("mean_image", window="center")),
    augment=(
        RandomCrop(224, group=32),
        Mirror(group=32),
        PCAColor(0.1, by="stddev", until=68, rescale="yes"),
    ),
    test=TenCrop(224),
    loss=CrossEntropy(),
    optimizer=SGD(lr=0.01, momentum=0.9, weight_decay=0.0005),
    schedule=MilestoneRate(at=(23, 51, 78), divide=10.0),
    bias_schedule=MilestoneRate(at=(23,), divide=10.0),
    layers=(SlowLayer("conv1", after=68, divide=10.0), FreezeLayer("conv1", after=72)),
    batch=128,
    epochs=93,
)
