"""LeNet5: 60,850 parameters, 8,094 neurons.

Made by alexc from lenet5.net: edit that file, not this one.

    layer   output   weights  neurons  multiply-adds
    c1      6x28x28      150    4,704        117,600
    s2      6x14x14        6    1,176          1,176
    m0      3x14x14       75      100          7,500
    m1      3x14x14       75      100          7,500
    m2      3x14x14       75      100          7,500
    m3      3x14x14       75      100          7,500
    m4      3x14x14       75      100          7,500
    m5      3x14x14       75      100          7,500
    m6      4x14x14      100      100         10,000
    m7      4x14x14      100      100         10,000
    m8      4x14x14      100      100         10,000
    m9      4x14x14      100      100         10,000
    m10     4x14x14      100      100         10,000
    m11     4x14x14      100      100         10,000
    m12     2x14x14      100      100         10,000
    m13     2x14x14      100      100         10,000
    m14     2x14x14      100      100         10,000
    m15     1x10x10      150      100         15,000
    s4      16x5x5        16      400            400
    c5      120x1x1   48,000      120         48,000
    f6      84        10,080       84         10,080
    output  10           840       10            840
    total             60,592    8,094        328,096
"""

from typing import ClassVar

import torch
import torch.nn.functional as F
from alexc.runtime.layers.affine import affine
from alexc.runtime.layers.initial_values import Kaiming, Uniform, initialise
from alexc.runtime.recipes import (
    SGD,
    CenterCrop,
    CenterView,
    CrossEntropy,
    MilestoneRate,
    Normalize,
    Recipe,
    Resize,
)
from torch import Tensor, nn


class LeNet5(nn.Module):
    """Images (N, 1, 28, 28) to logits (N, 10); comments give one image's shapes."""

    input_shape: ClassVar[tuple[int, int, int]] = (1, 28, 28)

    def __init__(self) -> None:
        super().__init__()
        self.c1 = nn.Conv2d(1, 6, kernel_size=5, padding=2)
        self.s2_avgpool1_conv = nn.Conv2d(6, 6, kernel_size=1, groups=6)
        self.m0_slice1_conv = nn.Conv2d(3, 1, kernel_size=5)
        self.m1_slice1_conv = nn.Conv2d(3, 1, kernel_size=5)
        self.m2_slice1_conv = nn.Conv2d(3, 1, kernel_size=5)
        self.m3_slice1_conv = nn.Conv2d(3, 1, kernel_size=5)
        self.m4_slice1_conv = nn.Conv2d(3, 1, kernel_size=5)
        self.m5_slice1_conv = nn.Conv2d(3, 1, kernel_size=5)
        self.m6_slice1_conv = nn.Conv2d(4, 1, kernel_size=5)
        self.m7_slice1_conv = nn.Conv2d(4, 1, kernel_size=5)
        self.m8_slice1_conv = nn.Conv2d(4, 1, kernel_size=5)
        self.m9_slice1_conv = nn.Conv2d(4, 1, kernel_size=5)
        self.m10_slice1_conv = nn.Conv2d(4, 1, kernel_size=5)
        self.m11_slice1_conv = nn.Conv2d(4, 1, kernel_size=5)
        self.m12_concat1_conv = nn.Conv2d(4, 1, kernel_size=5)
        self.m13_concat1_conv = nn.Conv2d(4, 1, kernel_size=5)
        self.m14_concat1_conv = nn.Conv2d(4, 1, kernel_size=5)
        self.m15 = nn.Conv2d(6, 1, kernel_size=5)
        self.s4_avgpool1_conv = nn.Conv2d(16, 16, kernel_size=1, groups=16)
        self.c5 = nn.Conv2d(16, 120, kernel_size=5)
        self.f6 = nn.Linear(120, 84)
        self.output = nn.Linear(84, 10)
        self.reset_parameters()

    def reset_parameters(self, seed: int | None = None) -> None:
        """Draw the initial values.

        With a `seed` each tensor is a function of the seed and of its name alone.
        """
        initialise(self.c1, "c1", seed, weight=Uniform(-0.096, 0.096), bias=0.0)
        initialise(
            self.s2_avgpool1_conv,
            "s2_avgpool1_conv",
            seed,
            weight=Uniform(-0.6, 0.6),
            bias=0.0,
        )
        initialise(
            self.m0_slice1_conv,
            "m0_slice1_conv",
            seed,
            weight=Uniform(-0.032, 0.032),
            bias=0.0,
        )
        initialise(
            self.m1_slice1_conv,
            "m1_slice1_conv",
            seed,
            weight=Uniform(-0.032, 0.032),
            bias=0.0,
        )
        initialise(
            self.m2_slice1_conv,
            "m2_slice1_conv",
            seed,
            weight=Uniform(-0.032, 0.032),
            bias=0.0,
        )
        initialise(
            self.m3_slice1_conv,
            "m3_slice1_conv",
            seed,
            weight=Uniform(-0.032, 0.032),
            bias=0.0,
        )
        initialise(
            self.m4_slice1_conv,
            "m4_slice1_conv",
            seed,
            weight=Uniform(-0.032, 0.032),
            bias=0.0,
        )
        initialise(
            self.m5_slice1_conv,
            "m5_slice1_conv",
            seed,
            weight=Uniform(-0.032, 0.032),
            bias=0.0,
        )
        initialise(
            self.m6_slice1_conv,
            "m6_slice1_conv",
            seed,
            weight=Uniform(-0.024, 0.024),
            bias=0.0,
        )
        initialise(
            self.m7_slice1_conv,
            "m7_slice1_conv",
            seed,
            weight=Uniform(-0.024, 0.024),
            bias=0.0,
        )
        initialise(
            self.m8_slice1_conv,
            "m8_slice1_conv",
            seed,
            weight=Uniform(-0.024, 0.024),
            bias=0.0,
        )
        initialise(
            self.m9_slice1_conv,
            "m9_slice1_conv",
            seed,
            weight=Uniform(-0.024, 0.024),
            bias=0.0,
        )
        initialise(
            self.m10_slice1_conv,
            "m10_slice1_conv",
            seed,
            weight=Uniform(-0.024, 0.024),
            bias=0.0,
        )
        initialise(
            self.m11_slice1_conv,
            "m11_slice1_conv",
            seed,
            weight=Uniform(-0.024, 0.024),
            bias=0.0,
        )
        initialise(
            self.m12_concat1_conv,
            "m12_concat1_conv",
            seed,
            weight=Uniform(-0.024, 0.024),
            bias=0.0,
        )
        initialise(
            self.m13_concat1_conv,
            "m13_concat1_conv",
            seed,
            weight=Uniform(-0.024, 0.024),
            bias=0.0,
        )
        initialise(
            self.m14_concat1_conv,
            "m14_concat1_conv",
            seed,
            weight=Uniform(-0.024, 0.024),
            bias=0.0,
        )
        initialise(self.m15, "m15", seed, weight=Uniform(-0.016, 0.016), bias=0.0)
        initialise(
            self.s4_avgpool1_conv,
            "s4_avgpool1_conv",
            seed,
            weight=Uniform(-0.6, 0.6),
            bias=0.0,
        )
        initialise(self.c5, "c5", seed, weight=Uniform(-0.006, 0.006), bias=0.0)
        initialise(self.f6, "f6", seed, weight=Uniform(-0.02, 0.02), bias=0.0)
        initialise(self.output, "output", seed, weight=Kaiming(), bias=0.0)

    def forward(self, x: Tensor) -> Tensor:
        """The logits of each class: the softmax belongs to the loss."""
        x = self.c1(x)  # 6x28x28
        x = affine(torch.tanh(affine(x, 0.6666667)), 1.7159)  # 6x28x28
        x = affine(F.avg_pool2d(x, kernel_size=2), 4.0)  # 6x14x14
        x = self.s2_avgpool1_conv(x)  # 6x14x14
        x = torch.tanh(affine(x, 0.6666667))  # 6x14x14
        s2_avgpool1_squash_affine1 = affine(x, 1.7159)  # 6x14x14
        ring = torch.cat(
            (s2_avgpool1_squash_affine1, s2_avgpool1_squash_affine1),
            dim=1,
        )  # 12x14x14
        x = ring[:, :3]  # 3x14x14
        m0_slice1 = self.m0_slice1_conv(x)  # 1x10x10
        x = ring[:, 1:4]  # 3x14x14
        m1_slice1 = self.m1_slice1_conv(x)  # 1x10x10
        x = ring[:, 2:5]  # 3x14x14
        m2_slice1 = self.m2_slice1_conv(x)  # 1x10x10
        x = ring[:, 3:6]  # 3x14x14
        m3_slice1 = self.m3_slice1_conv(x)  # 1x10x10
        x = ring[:, 4:7]  # 3x14x14
        m4_slice1 = self.m4_slice1_conv(x)  # 1x10x10
        x = ring[:, 5:8]  # 3x14x14
        m5_slice1 = self.m5_slice1_conv(x)  # 1x10x10
        x = ring[:, :4]  # 4x14x14
        m6_slice1 = self.m6_slice1_conv(x)  # 1x10x10
        x = ring[:, 1:5]  # 4x14x14
        m7_slice1 = self.m7_slice1_conv(x)  # 1x10x10
        x = ring[:, 2:6]  # 4x14x14
        m8_slice1 = self.m8_slice1_conv(x)  # 1x10x10
        x = ring[:, 3:7]  # 4x14x14
        m9_slice1 = self.m9_slice1_conv(x)  # 1x10x10
        x = ring[:, 4:8]  # 4x14x14
        m10_slice1 = self.m10_slice1_conv(x)  # 1x10x10
        x = ring[:, 5:9]  # 4x14x14
        m11_slice1 = self.m11_slice1_conv(x)  # 1x10x10
        m12_one = ring[:, :2]  # 2x14x14
        m12_other = ring[:, 3:5]  # 2x14x14
        x = torch.cat((m12_one, m12_other), dim=1)  # 4x14x14
        m12_concat1 = self.m12_concat1_conv(x)  # 1x10x10
        m13_one = ring[:, 1:3]  # 2x14x14
        m13_other = ring[:, 4:6]  # 2x14x14
        x = torch.cat((m13_one, m13_other), dim=1)  # 4x14x14
        m13_concat1 = self.m13_concat1_conv(x)  # 1x10x10
        m14_one = ring[:, 2:4]  # 2x14x14
        m14_other = ring[:, 5:7]  # 2x14x14
        x = torch.cat((m14_one, m14_other), dim=1)  # 4x14x14
        m14_concat1 = self.m14_concat1_conv(x)  # 1x10x10
        m15 = self.m15(s2_avgpool1_squash_affine1)  # 1x10x10
        x = torch.cat(
            (
                m0_slice1,
                m1_slice1,
                m2_slice1,
                m3_slice1,
                m4_slice1,
                m5_slice1,
                m6_slice1,
                m7_slice1,
                m8_slice1,
                m9_slice1,
                m10_slice1,
                m11_slice1,
                m12_concat1,
                m13_concat1,
                m14_concat1,
                m15,
            ),
            dim=1,
        )  # 16x10x10
        x = affine(torch.tanh(affine(x, 0.6666667)), 1.7159)  # 16x10x10
        x = affine(F.avg_pool2d(x, kernel_size=2), 4.0)  # 16x5x5
        x = self.s4_avgpool1_conv(x)  # 16x5x5
        x = affine(torch.tanh(affine(x, 0.6666667)), 1.7159)  # 16x5x5
        x = self.c5(x)  # 120x1x1
        x = affine(torch.tanh(affine(x, 0.6666667)), 1.7159)  # 120x1x1
        x = x.flatten(1)  # 120
        x = self.f6(x)  # 84
        x = affine(torch.tanh(affine(x, 0.6666667)), 1.7159)  # 84
        x = self.output(x)  # 10
        return x


RECIPE = Recipe(
    prepare=(
        Resize(28),
        CenterCrop(28),
        Normalize(mean=(0.0784314,), std=(0.7843137,)),
    ),
    augment=(),
    test=CenterView(28),
    loss=CrossEntropy(),
    optimizer=SGD(lr=0.02, momentum=0.9),
    schedule=MilestoneRate(at=(2, 5, 8, 12), divide=2.0),
    batch=64,
    epochs=20,
)
