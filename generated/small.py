"""Small: 332,682 parameters, 56,842 neurons.

Made by alexc from small.net: edit that file, not this one.

    layer  output    weights  neurons  multiply-adds
    conv1  32x32x32    2,400   32,768      2,457,600
    conv2  64x15x15    9,216   14,400      2,073,600
    conv3  96x7x7     55,296    4,704      2,709,504
    conv4  96x7x7     41,472    4,704      2,032,128
    fc5    256       221,184      256        221,184
    fc6    10          2,560       10          2,560
    total            332,128   56,842      9,496,576
"""

from typing import ClassVar

import torch.nn.functional as F
from alexc.runtime.augmentations.mirror import Mirror
from alexc.runtime.augmentations.pca_color import PCAColor
from alexc.runtime.augmentations.random_crop import RandomCrop
from alexc.runtime.layers.dropout import Dropout
from alexc.runtime.layers.initial_values import Kaiming, Normal, initialise
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


class Small(nn.Module):
    """Images (N, 3, 64, 64) to logits (N, 10); comments give one image's shapes.

    Cut into 2 towers; in conv2 and conv4 a tower reads its own maps only.
    """

    input_shape: ClassVar[tuple[int, int, int]] = (3, 64, 64)

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 32, kernel_size=5, stride=2, padding=2)
        self.conv1_lrn = LocalResponseNorm(5, alpha=0.0001, beta=0.75, k=2.0, towers=2)
        self.conv2 = nn.Conv2d(32, 64, kernel_size=3, padding=1, groups=2)
        self.conv2_lrn = LocalResponseNorm(5, alpha=0.0001, beta=0.75, k=2.0, towers=2)
        self.conv3 = nn.Conv2d(64, 96, kernel_size=3, padding=1)
        self.conv4 = nn.Conv2d(96, 96, kernel_size=3, padding=1, groups=2)
        self.fc5 = nn.Linear(864, 256)
        self.fc5_dropout = Dropout(0.5, scale="test")
        self.fc6 = nn.Linear(256, 10)
        self.reset_parameters()

    def reset_parameters(self, seed: int | None = None) -> None:
        """Draw the initial values.

        With a `seed` each tensor is a function of the seed and of its name alone.
        """
        initialise(self.conv1, "conv1", seed, weight=Normal(0.0, 0.01), bias=0.0)
        initialise(self.conv2, "conv2", seed, weight=Kaiming(), bias=0.0)
        initialise(self.conv3, "conv3", seed, weight=Kaiming(), bias=0.0)
        initialise(self.conv4, "conv4", seed, weight=Kaiming(), bias=0.0)
        initialise(self.fc5, "fc5", seed, weight=Kaiming(), bias=0.0)
        initialise(self.fc6, "fc6", seed, weight=Normal(0.0, 0.01), bias=0.0)

    def forward(self, x: Tensor) -> Tensor:
        """The logits of each class: the softmax belongs to the loss."""
        x = F.relu(self.conv1(x))  # 32x32x32
        x = self.conv1_lrn(x)  # 32x32x32
        x = F.max_pool2d(x, kernel_size=3, stride=2)  # 32x15x15
        x = F.relu(self.conv2(x))  # 64x15x15
        x = self.conv2_lrn(x)  # 64x15x15
        x = F.max_pool2d(x, kernel_size=3, stride=2)  # 64x7x7
        x = F.relu(self.conv3(x))  # 96x7x7
        x = F.relu(self.conv4(x))  # 96x7x7
        x = F.max_pool2d(x, kernel_size=3, stride=2)  # 96x3x3
        x = x.flatten(1)  # 864
        x = F.relu(self.fc5(x))  # 256
        x = self.fc5_dropout(x)  # 256
        x = self.fc6(x)  # 10
        return x


RECIPE = Recipe(
    prepare=(Resize(72), CenterCrop(72), Subtract("mean_image")),
    augment=(RandomCrop(64), Mirror(), PCAColor(0.1)),
    test=TenCrop(64),
    loss=CrossEntropy(),
    optimizer=SGD(lr=0.01, momentum=0.9, weight_decay=0.0005),
    schedule=Plateau(of="val_error", divide=10.0, times=3, patience=10),
    batch=64,
    epochs=60,
)
