"""SqueezeNet10: 1,248,424 parameters, 4,346,248 neurons.

Made by alexc from squeezenet1_0.net: edit that file, not this one.

    layer   output        weights    neurons  multiply-adds
    conv1   96x109x109     14,112  1,140,576    167,664,672
    fire2   16x54x54       11,776    419,904     34,338,816
    fire3   16x54x54       12,288    419,904     35,831,808
    fire4   32x54x54       45,056    839,808    131,383,296
    fire5   32x27x27       49,152    209,952     35,831,808
    fire6   48x27x27      104,448    314,928     76,142,592
    fire7   48x27x27      110,592    314,928     80,621,568
    fire8   64x27x27      188,416    419,904    137,355,264
    fire9   64x13x13      196,608     97,344     33,226,752
    conv10  1000x13x13    512,000    169,000     86,528,000
    total               1,244,448  4,346,248    818,924,576
"""

from typing import ClassVar

import torch
import torch.nn.functional as F
from alexc.runtime.augmentations.mirror import Mirror
from alexc.runtime.augmentations.random_crop import RandomCrop
from alexc.runtime.layers.dropout import Dropout
from alexc.runtime.layers.initial_values import LeCun, Normal, initialise
from alexc.runtime.recipes import (
    SGD,
    CenterCrop,
    CenterView,
    CrossEntropy,
    Normalize,
    PolynomialRate,
    Recipe,
    Resize,
)
from torch import Tensor, nn


class SqueezeNet10(nn.Module):
    """Images (N, 3, 224, 224) to logits (N, 1000); comments give one image's shapes."""

    input_shape: ClassVar[tuple[int, int, int]] = (3, 224, 224)

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 96, kernel_size=7, stride=2)
        self.fire2_squeeze = nn.Conv2d(96, 16, kernel_size=1)
        self.fire2_left = nn.Conv2d(16, 64, kernel_size=1)
        self.fire2_right = nn.Conv2d(16, 64, kernel_size=3, padding=1)
        self.fire3_squeeze = nn.Conv2d(128, 16, kernel_size=1)
        self.fire3_left = nn.Conv2d(16, 64, kernel_size=1)
        self.fire3_right = nn.Conv2d(16, 64, kernel_size=3, padding=1)
        self.fire4_squeeze = nn.Conv2d(128, 32, kernel_size=1)
        self.fire4_left = nn.Conv2d(32, 128, kernel_size=1)
        self.fire4_right = nn.Conv2d(32, 128, kernel_size=3, padding=1)
        self.fire5_squeeze = nn.Conv2d(256, 32, kernel_size=1)
        self.fire5_left = nn.Conv2d(32, 128, kernel_size=1)
        self.fire5_right = nn.Conv2d(32, 128, kernel_size=3, padding=1)
        self.fire6_squeeze = nn.Conv2d(256, 48, kernel_size=1)
        self.fire6_left = nn.Conv2d(48, 192, kernel_size=1)
        self.fire6_right = nn.Conv2d(48, 192, kernel_size=3, padding=1)
        self.fire7_squeeze = nn.Conv2d(384, 48, kernel_size=1)
        self.fire7_left = nn.Conv2d(48, 192, kernel_size=1)
        self.fire7_right = nn.Conv2d(48, 192, kernel_size=3, padding=1)
        self.fire8_squeeze = nn.Conv2d(384, 64, kernel_size=1)
        self.fire8_left = nn.Conv2d(64, 256, kernel_size=1)
        self.fire8_right = nn.Conv2d(64, 256, kernel_size=3, padding=1)
        self.fire9_squeeze = nn.Conv2d(512, 64, kernel_size=1)
        self.fire9_left = nn.Conv2d(64, 256, kernel_size=1)
        self.fire9_right = nn.Conv2d(64, 256, kernel_size=3, padding=1)
        self.fire9_dropout = Dropout(0.5, scale="train")
        self.conv10 = nn.Conv2d(512, 1000, kernel_size=1)
        self.reset_parameters()

    def reset_parameters(self, seed: int | None = None) -> None:
        """Draw the initial values.

        With a `seed` each tensor is a function of the seed and of its name alone.
        """
        initialise(self.conv1, "conv1", seed, weight=LeCun(), bias=0.0)
        initialise(self.fire2_squeeze, "fire2_squeeze", seed, weight=LeCun(), bias=0.0)
        initialise(self.fire2_left, "fire2_left", seed, weight=LeCun(), bias=0.0)
        initialise(self.fire2_right, "fire2_right", seed, weight=LeCun(), bias=0.0)
        initialise(self.fire3_squeeze, "fire3_squeeze", seed, weight=LeCun(), bias=0.0)
        initialise(self.fire3_left, "fire3_left", seed, weight=LeCun(), bias=0.0)
        initialise(self.fire3_right, "fire3_right", seed, weight=LeCun(), bias=0.0)
        initialise(self.fire4_squeeze, "fire4_squeeze", seed, weight=LeCun(), bias=0.0)
        initialise(self.fire4_left, "fire4_left", seed, weight=LeCun(), bias=0.0)
        initialise(self.fire4_right, "fire4_right", seed, weight=LeCun(), bias=0.0)
        initialise(self.fire5_squeeze, "fire5_squeeze", seed, weight=LeCun(), bias=0.0)
        initialise(self.fire5_left, "fire5_left", seed, weight=LeCun(), bias=0.0)
        initialise(self.fire5_right, "fire5_right", seed, weight=LeCun(), bias=0.0)
        initialise(self.fire6_squeeze, "fire6_squeeze", seed, weight=LeCun(), bias=0.0)
        initialise(self.fire6_left, "fire6_left", seed, weight=LeCun(), bias=0.0)
        initialise(self.fire6_right, "fire6_right", seed, weight=LeCun(), bias=0.0)
        initialise(self.fire7_squeeze, "fire7_squeeze", seed, weight=LeCun(), bias=0.0)
        initialise(self.fire7_left, "fire7_left", seed, weight=LeCun(), bias=0.0)
        initialise(self.fire7_right, "fire7_right", seed, weight=LeCun(), bias=0.0)
        initialise(self.fire8_squeeze, "fire8_squeeze", seed, weight=LeCun(), bias=0.0)
        initialise(self.fire8_left, "fire8_left", seed, weight=LeCun(), bias=0.0)
        initialise(self.fire8_right, "fire8_right", seed, weight=LeCun(), bias=0.0)
        initialise(self.fire9_squeeze, "fire9_squeeze", seed, weight=LeCun(), bias=0.0)
        initialise(self.fire9_left, "fire9_left", seed, weight=LeCun(), bias=0.0)
        initialise(self.fire9_right, "fire9_right", seed, weight=LeCun(), bias=0.0)
        initialise(self.conv10, "conv10", seed, weight=Normal(0.0, 0.01), bias=0.0)

    def forward(self, x: Tensor) -> Tensor:
        """The logits of each class: the softmax belongs to the loss."""
        x = F.relu(self.conv1(x))  # 96x109x109
        x = F.max_pool2d(x, kernel_size=3, stride=2, ceil_mode=True)  # 96x54x54
        fire2_squeeze = F.relu(self.fire2_squeeze(x))  # 16x54x54
        fire2_left = F.relu(self.fire2_left(fire2_squeeze))  # 64x54x54
        fire2_right = F.relu(self.fire2_right(fire2_squeeze))  # 64x54x54
        x = torch.cat((fire2_left, fire2_right), dim=1)  # 128x54x54
        fire3_squeeze = F.relu(self.fire3_squeeze(x))  # 16x54x54
        fire3_left = F.relu(self.fire3_left(fire3_squeeze))  # 64x54x54
        fire3_right = F.relu(self.fire3_right(fire3_squeeze))  # 64x54x54
        x = torch.cat((fire3_left, fire3_right), dim=1)  # 128x54x54
        fire4_squeeze = F.relu(self.fire4_squeeze(x))  # 32x54x54
        fire4_left = F.relu(self.fire4_left(fire4_squeeze))  # 128x54x54
        fire4_right = F.relu(self.fire4_right(fire4_squeeze))  # 128x54x54
        x = torch.cat((fire4_left, fire4_right), dim=1)  # 256x54x54
        x = F.max_pool2d(x, kernel_size=3, stride=2, ceil_mode=True)  # 256x27x27
        fire5_squeeze = F.relu(self.fire5_squeeze(x))  # 32x27x27
        fire5_left = F.relu(self.fire5_left(fire5_squeeze))  # 128x27x27
        fire5_right = F.relu(self.fire5_right(fire5_squeeze))  # 128x27x27
        x = torch.cat((fire5_left, fire5_right), dim=1)  # 256x27x27
        fire6_squeeze = F.relu(self.fire6_squeeze(x))  # 48x27x27
        fire6_left = F.relu(self.fire6_left(fire6_squeeze))  # 192x27x27
        fire6_right = F.relu(self.fire6_right(fire6_squeeze))  # 192x27x27
        x = torch.cat((fire6_left, fire6_right), dim=1)  # 384x27x27
        fire7_squeeze = F.relu(self.fire7_squeeze(x))  # 48x27x27
        fire7_left = F.relu(self.fire7_left(fire7_squeeze))  # 192x27x27
        fire7_right = F.relu(self.fire7_right(fire7_squeeze))  # 192x27x27
        x = torch.cat((fire7_left, fire7_right), dim=1)  # 384x27x27
        fire8_squeeze = F.relu(self.fire8_squeeze(x))  # 64x27x27
        fire8_left = F.relu(self.fire8_left(fire8_squeeze))  # 256x27x27
        fire8_right = F.relu(self.fire8_right(fire8_squeeze))  # 256x27x27
        x = torch.cat((fire8_left, fire8_right), dim=1)  # 512x27x27
        x = F.max_pool2d(x, kernel_size=3, stride=2, ceil_mode=True)  # 512x13x13
        fire9_squeeze = F.relu(self.fire9_squeeze(x))  # 64x13x13
        fire9_left = F.relu(self.fire9_left(fire9_squeeze))  # 256x13x13
        fire9_right = F.relu(self.fire9_right(fire9_squeeze))  # 256x13x13
        x = torch.cat((fire9_left, fire9_right), dim=1)  # 512x13x13
        x = self.fire9_dropout(x)  # 512x13x13
        x = F.relu(self.conv10(x))  # 1000x13x13
        x = torch.mean(x, dim=(2, 3))  # 1000
        return x


RECIPE = Recipe(
    prepare=(Resize(256), CenterCrop(256), Normalize()),
    augment=(RandomCrop(224), Mirror()),
    test=CenterView(224),
    loss=CrossEntropy(),
    optimizer=SGD(lr=0.04, momentum=0.9, weight_decay=0.0002),
    schedule=PolynomialRate(),
    batch=512,
    epochs=68,
)
