"""ResNet18: 11,689,512 parameters, 2,484,712 neurons.

Made by alexc from resnet18.net: edit that file, not this one.

    layer  output         weights    neurons  multiply-adds
    conv1  64x112x112       9,472    802,816    118,013,952
    conv2  64x56x56       147,712    802,816    462,422,016
    conv3  128x28x28      524,928    501,760    411,041,792
    conv4  256x14x14    2,098,432    250,880    411,041,792
    conv5  512x7x7      8,391,168    125,440    411,041,792
    fc     1000           512,000      1,000        512,000
    total              11,683,712  2,484,712  1,814,073,344
"""

from typing import ClassVar

import torch
import torch.nn.functional as F
from alexc.runtime.augmentations.mirror import Mirror
from alexc.runtime.augmentations.pca_color import PCAColor
from alexc.runtime.augmentations.random_crop import RandomCrop
from alexc.runtime.layers.initial_values import Constant, Kaiming, initialise
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


class ResNet18(nn.Module):
    """Images (N, 3, 224, 224) to logits (N, 1000); comments give one image's shapes."""

    input_shape: ClassVar[tuple[int, int, int]] = (3, 224, 224)

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, kernel_size=7, stride=2, padding=3, bias=False)
        self.conv1_batchnorm = nn.BatchNorm2d(64)
        self.conv2_same1_a = nn.Conv2d(64, 64, kernel_size=3, padding=1, bias=False)
        self.conv2_same1_a_batchnorm = nn.BatchNorm2d(64)
        self.conv2_same1_b = nn.Conv2d(64, 64, kernel_size=3, padding=1, bias=False)
        self.conv2_same1_b_batchnorm = nn.BatchNorm2d(64)
        self.conv2_same2_a = nn.Conv2d(64, 64, kernel_size=3, padding=1, bias=False)
        self.conv2_same2_a_batchnorm = nn.BatchNorm2d(64)
        self.conv2_same2_b = nn.Conv2d(64, 64, kernel_size=3, padding=1, bias=False)
        self.conv2_same2_b_batchnorm = nn.BatchNorm2d(64)
        self.conv3_down_a = nn.Conv2d(
            64,
            128,
            kernel_size=3,
            stride=2,
            padding=1,
            bias=False,
        )
        self.conv3_down_a_batchnorm = nn.BatchNorm2d(128)
        self.conv3_down_b = nn.Conv2d(128, 128, kernel_size=3, padding=1, bias=False)
        self.conv3_down_b_batchnorm = nn.BatchNorm2d(128)
        self.conv3_down_c = nn.Conv2d(64, 128, kernel_size=1, stride=2, bias=False)
        self.conv3_down_c_batchnorm = nn.BatchNorm2d(128)
        self.conv3_same1_a = nn.Conv2d(128, 128, kernel_size=3, padding=1, bias=False)
        self.conv3_same1_a_batchnorm = nn.BatchNorm2d(128)
        self.conv3_same1_b = nn.Conv2d(128, 128, kernel_size=3, padding=1, bias=False)
        self.conv3_same1_b_batchnorm = nn.BatchNorm2d(128)
        self.conv4_down_a = nn.Conv2d(
            128,
            256,
            kernel_size=3,
            stride=2,
            padding=1,
            bias=False,
        )
        self.conv4_down_a_batchnorm = nn.BatchNorm2d(256)
        self.conv4_down_b = nn.Conv2d(256, 256, kernel_size=3, padding=1, bias=False)
        self.conv4_down_b_batchnorm = nn.BatchNorm2d(256)
        self.conv4_down_c = nn.Conv2d(128, 256, kernel_size=1, stride=2, bias=False)
        self.conv4_down_c_batchnorm = nn.BatchNorm2d(256)
        self.conv4_same1_a = nn.Conv2d(256, 256, kernel_size=3, padding=1, bias=False)
        self.conv4_same1_a_batchnorm = nn.BatchNorm2d(256)
        self.conv4_same1_b = nn.Conv2d(256, 256, kernel_size=3, padding=1, bias=False)
        self.conv4_same1_b_batchnorm = nn.BatchNorm2d(256)
        self.conv5_down_a = nn.Conv2d(
            256,
            512,
            kernel_size=3,
            stride=2,
            padding=1,
            bias=False,
        )
        self.conv5_down_a_batchnorm = nn.BatchNorm2d(512)
        self.conv5_down_b = nn.Conv2d(512, 512, kernel_size=3, padding=1, bias=False)
        self.conv5_down_b_batchnorm = nn.BatchNorm2d(512)
        self.conv5_down_c = nn.Conv2d(256, 512, kernel_size=1, stride=2, bias=False)
        self.conv5_down_c_batchnorm = nn.BatchNorm2d(512)
        self.conv5_same1_a = nn.Conv2d(512, 512, kernel_size=3, padding=1, bias=False)
        self.conv5_same1_a_batchnorm = nn.BatchNorm2d(512)
        self.conv5_same1_b = nn.Conv2d(512, 512, kernel_size=3, padding=1, bias=False)
        self.conv5_same1_b_batchnorm = nn.BatchNorm2d(512)
        self.fc = nn.Linear(512, 1000)
        self.reset_parameters()

    def reset_parameters(self, seed: int | None = None) -> None:
        """Draw the initial values.

        With a `seed` each tensor is a function of the seed and of its name alone.
        """
        initialise(self.conv1, "conv1", seed, weight=Kaiming(), bias=None)
        initialise(
            self.conv1_batchnorm,
            "conv1_batchnorm",
            seed,
            weight=Constant(1.0),
            bias=0.0,
        )
        initialise(
            self.conv2_same1_a,
            "conv2_same1_a",
            seed,
            weight=Kaiming(),
            bias=None,
        )
        initialise(
            self.conv2_same1_a_batchnorm,
            "conv2_same1_a_batchnorm",
            seed,
            weight=Constant(1.0),
            bias=0.0,
        )
        initialise(
            self.conv2_same1_b,
            "conv2_same1_b",
            seed,
            weight=Kaiming(),
            bias=None,
        )
        initialise(
            self.conv2_same1_b_batchnorm,
            "conv2_same1_b_batchnorm",
            seed,
            weight=Constant(1.0),
            bias=0.0,
        )
        initialise(
            self.conv2_same2_a,
            "conv2_same2_a",
            seed,
            weight=Kaiming(),
            bias=None,
        )
        initialise(
            self.conv2_same2_a_batchnorm,
            "conv2_same2_a_batchnorm",
            seed,
            weight=Constant(1.0),
            bias=0.0,
        )
        initialise(
            self.conv2_same2_b,
            "conv2_same2_b",
            seed,
            weight=Kaiming(),
            bias=None,
        )
        initialise(
            self.conv2_same2_b_batchnorm,
            "conv2_same2_b_batchnorm",
            seed,
            weight=Constant(1.0),
            bias=0.0,
        )
        initialise(self.conv3_down_a, "conv3_down_a", seed, weight=Kaiming(), bias=None)
        initialise(
            self.conv3_down_a_batchnorm,
            "conv3_down_a_batchnorm",
            seed,
            weight=Constant(1.0),
            bias=0.0,
        )
        initialise(self.conv3_down_b, "conv3_down_b", seed, weight=Kaiming(), bias=None)
        initialise(
            self.conv3_down_b_batchnorm,
            "conv3_down_b_batchnorm",
            seed,
            weight=Constant(1.0),
            bias=0.0,
        )
        initialise(self.conv3_down_c, "conv3_down_c", seed, weight=Kaiming(), bias=None)
        initialise(
            self.conv3_down_c_batchnorm,
            "conv3_down_c_batchnorm",
            seed,
            weight=Constant(1.0),
            bias=0.0,
        )
        initialise(
            self.conv3_same1_a,
            "conv3_same1_a",
            seed,
            weight=Kaiming(),
            bias=None,
        )
        initialise(
            self.conv3_same1_a_batchnorm,
            "conv3_same1_a_batchnorm",
            seed,
            weight=Constant(1.0),
            bias=0.0,
        )
        initialise(
            self.conv3_same1_b,
            "conv3_same1_b",
            seed,
            weight=Kaiming(),
            bias=None,
        )
        initialise(
            self.conv3_same1_b_batchnorm,
            "conv3_same1_b_batchnorm",
            seed,
            weight=Constant(1.0),
            bias=0.0,
        )
        initialise(self.conv4_down_a, "conv4_down_a", seed, weight=Kaiming(), bias=None)
        initialise(
            self.conv4_down_a_batchnorm,
            "conv4_down_a_batchnorm",
            seed,
            weight=Constant(1.0),
            bias=0.0,
        )
        initialise(self.conv4_down_b, "conv4_down_b", seed, weight=Kaiming(), bias=None)
        initialise(
            self.conv4_down_b_batchnorm,
            "conv4_down_b_batchnorm",
            seed,
            weight=Constant(1.0),
            bias=0.0,
        )
        initialise(self.conv4_down_c, "conv4_down_c", seed, weight=Kaiming(), bias=None)
        initialise(
            self.conv4_down_c_batchnorm,
            "conv4_down_c_batchnorm",
            seed,
            weight=Constant(1.0),
            bias=0.0,
        )
        initialise(
            self.conv4_same1_a,
            "conv4_same1_a",
            seed,
            weight=Kaiming(),
            bias=None,
        )
        initialise(
            self.conv4_same1_a_batchnorm,
            "conv4_same1_a_batchnorm",
            seed,
            weight=Constant(1.0),
            bias=0.0,
        )
        initialise(
            self.conv4_same1_b,
            "conv4_same1_b",
            seed,
            weight=Kaiming(),
            bias=None,
        )
        initialise(
            self.conv4_same1_b_batchnorm,
            "conv4_same1_b_batchnorm",
            seed,
            weight=Constant(1.0),
            bias=0.0,
        )
        initialise(self.conv5_down_a, "conv5_down_a", seed, weight=Kaiming(), bias=None)
        initialise(
            self.conv5_down_a_batchnorm,
            "conv5_down_a_batchnorm",
            seed,
            weight=Constant(1.0),
            bias=0.0,
        )
        initialise(self.conv5_down_b, "conv5_down_b", seed, weight=Kaiming(), bias=None)
        initialise(
            self.conv5_down_b_batchnorm,
            "conv5_down_b_batchnorm",
            seed,
            weight=Constant(1.0),
            bias=0.0,
        )
        initialise(self.conv5_down_c, "conv5_down_c", seed, weight=Kaiming(), bias=None)
        initialise(
            self.conv5_down_c_batchnorm,
            "conv5_down_c_batchnorm",
            seed,
            weight=Constant(1.0),
            bias=0.0,
        )
        initialise(
            self.conv5_same1_a,
            "conv5_same1_a",
            seed,
            weight=Kaiming(),
            bias=None,
        )
        initialise(
            self.conv5_same1_a_batchnorm,
            "conv5_same1_a_batchnorm",
            seed,
            weight=Constant(1.0),
            bias=0.0,
        )
        initialise(
            self.conv5_same1_b,
            "conv5_same1_b",
            seed,
            weight=Kaiming(),
            bias=None,
        )
        initialise(
            self.conv5_same1_b_batchnorm,
            "conv5_same1_b_batchnorm",
            seed,
            weight=Constant(1.0),
            bias=0.0,
        )
        initialise(self.fc, "fc", seed, weight=Kaiming(), bias=0.0)

    def forward(self, x: Tensor) -> Tensor:
        """The logits of each class: the softmax belongs to the loss."""
        x = self.conv1(x)  # 64x112x112
        x = F.relu(self.conv1_batchnorm(x))  # 64x112x112
        conv1 = F.max_pool2d(x, kernel_size=3, stride=2, padding=1)  # 64x56x56
        x = self.conv2_same1_a(conv1)  # 64x56x56
        x = F.relu(self.conv2_same1_a_batchnorm(x))  # 64x56x56
        x = self.conv2_same1_b(x)  # 64x56x56
        conv2_same1_b_batchnorm = self.conv2_same1_b_batchnorm(x)  # 64x56x56
        conv2_same1_b = F.relu(conv2_same1_b_batchnorm + conv1)  # 64x56x56
        x = self.conv2_same2_a(conv2_same1_b)  # 64x56x56
        x = F.relu(self.conv2_same2_a_batchnorm(x))  # 64x56x56
        x = self.conv2_same2_b(x)  # 64x56x56
        conv2_same2_b_batchnorm = self.conv2_same2_b_batchnorm(x)  # 64x56x56
        conv2_same2_b = F.relu(conv2_same2_b_batchnorm + conv2_same1_b)  # 64x56x56
        x = self.conv3_down_a(conv2_same2_b)  # 128x28x28
        x = F.relu(self.conv3_down_a_batchnorm(x))  # 128x28x28
        x = self.conv3_down_b(x)  # 128x28x28
        conv3_down_b = self.conv3_down_b_batchnorm(x)  # 128x28x28
        x = self.conv3_down_c(conv2_same2_b)  # 128x28x28
        conv3_down_c_batchnorm = self.conv3_down_c_batchnorm(x)  # 128x28x28
        conv3_down_c = F.relu(conv3_down_c_batchnorm + conv3_down_b)  # 128x28x28
        x = self.conv3_same1_a(conv3_down_c)  # 128x28x28
        x = F.relu(self.conv3_same1_a_batchnorm(x))  # 128x28x28
        x = self.conv3_same1_b(x)  # 128x28x28
        conv3_same1_b_batchnorm = self.conv3_same1_b_batchnorm(x)  # 128x28x28
        conv3_same1_b = F.relu(conv3_same1_b_batchnorm + conv3_down_c)  # 128x28x28
        x = self.conv4_down_a(conv3_same1_b)  # 256x14x14
        x = F.relu(self.conv4_down_a_batchnorm(x))  # 256x14x14
        x = self.conv4_down_b(x)  # 256x14x14
        conv4_down_b = self.conv4_down_b_batchnorm(x)  # 256x14x14
        x = self.conv4_down_c(conv3_same1_b)  # 256x14x14
        conv4_down_c_batchnorm = self.conv4_down_c_batchnorm(x)  # 256x14x14
        conv4_down_c = F.relu(conv4_down_c_batchnorm + conv4_down_b)  # 256x14x14
        x = self.conv4_same1_a(conv4_down_c)  # 256x14x14
        x = F.relu(self.conv4_same1_a_batchnorm(x))  # 256x14x14
        x = self.conv4_same1_b(x)  # 256x14x14
        conv4_same1_b_batchnorm = self.conv4_same1_b_batchnorm(x)  # 256x14x14
        conv4_same1_b = F.relu(conv4_same1_b_batchnorm + conv4_down_c)  # 256x14x14
        x = self.conv5_down_a(conv4_same1_b)  # 512x7x7
        x = F.relu(self.conv5_down_a_batchnorm(x))  # 512x7x7
        x = self.conv5_down_b(x)  # 512x7x7
        conv5_down_b = self.conv5_down_b_batchnorm(x)  # 512x7x7
        x = self.conv5_down_c(conv4_same1_b)  # 512x7x7
        conv5_down_c_batchnorm = self.conv5_down_c_batchnorm(x)  # 512x7x7
        conv5_down_c = F.relu(conv5_down_c_batchnorm + conv5_down_b)  # 512x7x7
        x = self.conv5_same1_a(conv5_down_c)  # 512x7x7
        x = F.relu(self.conv5_same1_a_batchnorm(x))  # 512x7x7
        x = self.conv5_same1_b(x)  # 512x7x7
        conv5_same1_b_batchnorm = self.conv5_same1_b_batchnorm(x)  # 512x7x7
        x = F.relu(conv5_same1_b_batchnorm + conv5_down_c)  # 512x7x7
        x = torch.mean(x, dim=(2, 3))  # 512
        x = self.fc(x)  # 1000
        return x


RECIPE = Recipe(
    prepare=(Resize(256), CenterCrop(256), Subtract("mean_image")),
    augment=(RandomCrop(224), Mirror(), PCAColor(0.1)),
    test=TenCrop(224),
    loss=CrossEntropy(),
    optimizer=SGD(lr=0.1, momentum=0.9, weight_decay=0.0001),
    schedule=Plateau(of="val_error", divide=10.0, times=2),
    batch=256,
    epochs=120,
)
