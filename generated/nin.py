"""NiN: 7,595,176 parameters, 1,704,096 neurons.

Made by alexc from nin.net: edit that file, not this one.

    layer  output       weights    neurons  multiply-adds
    mlp1   96x54x54      53,280    839,808    155,364,480
    mlp2   256x27x27    745,472    559,872    543,449,088
    mlp3   384x13x13  1,179,648    194,688    199,360,512
    mlp4   1024x6x6   5,611,520    109,728    202,014,720
    total             7,589,920  1,704,096  1,100,188,800
"""

from typing import ClassVar

import torch
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


class NiN(nn.Module):
    """Images (N, 3, 224, 224) to logits (N, 1000); comments give one image's shapes."""

    input_shape: ClassVar[tuple[int, int, int]] = (3, 224, 224)
    multipliers: ClassVar[dict[str, tuple[float, float]]] = {
        "mlp1_conv1.bias": (2.0, 0.0),
        "mlp1_conv2.bias": (2.0, 0.0),
        "mlp1_conv3.bias": (2.0, 0.0),
        "mlp2_conv1.bias": (2.0, 0.0),
        "mlp2_conv2.bias": (2.0, 0.0),
        "mlp2_conv3.bias": (2.0, 0.0),
        "mlp3_conv1.bias": (2.0, 0.0),
        "mlp3_conv2.bias": (2.0, 0.0),
        "mlp3_conv3.bias": (2.0, 0.0),
        "mlp4_conv1.bias": (2.0, 0.0),
        "mlp4_conv2.bias": (2.0, 0.0),
        "mlp4_conv3.bias": (2.0, 0.0),
    }

    def __init__(self) -> None:
        super().__init__()
        self.mlp1_conv1 = nn.Conv2d(3, 96, kernel_size=11, stride=4)
        self.mlp1_conv2 = nn.Conv2d(96, 96, kernel_size=1)
        self.mlp1_conv3 = nn.Conv2d(96, 96, kernel_size=1)
        self.mlp2_conv1 = nn.Conv2d(96, 256, kernel_size=5, padding=2)
        self.mlp2_conv2 = nn.Conv2d(256, 256, kernel_size=1)
        self.mlp2_conv3 = nn.Conv2d(256, 256, kernel_size=1)
        self.mlp3_conv1 = nn.Conv2d(256, 384, kernel_size=3, padding=1)
        self.mlp3_conv2 = nn.Conv2d(384, 384, kernel_size=1)
        self.mlp3_conv3 = nn.Conv2d(384, 384, kernel_size=1)
        self.mlp3_dropout = Dropout(0.5, scale="train")
        self.mlp4_conv1 = nn.Conv2d(384, 1024, kernel_size=3, padding=1)
        self.mlp4_conv2 = nn.Conv2d(1024, 1024, kernel_size=1)
        self.mlp4_conv3 = nn.Conv2d(1024, 1000, kernel_size=1)
        self.reset_parameters()

    def reset_parameters(self, seed: int | None = None) -> None:
        """Draw the initial values.

        With a `seed` each tensor is a function of the seed and of its name alone.
        """
        initialise(
            self.mlp1_conv1,
            "mlp1_conv1",
            seed,
            weight=Normal(0.0, 0.05),
            bias=0.0,
        )
        initialise(
            self.mlp1_conv2,
            "mlp1_conv2",
            seed,
            weight=Normal(0.0, 0.05),
            bias=0.0,
        )
        initialise(
            self.mlp1_conv3,
            "mlp1_conv3",
            seed,
            weight=Normal(0.0, 0.05),
            bias=0.0,
        )
        initialise(
            self.mlp2_conv1,
            "mlp2_conv1",
            seed,
            weight=Normal(0.0, 0.05),
            bias=0.0,
        )
        initialise(
            self.mlp2_conv2,
            "mlp2_conv2",
            seed,
            weight=Normal(0.0, 0.05),
            bias=0.0,
        )
        initialise(
            self.mlp2_conv3,
            "mlp2_conv3",
            seed,
            weight=Normal(0.0, 0.05),
            bias=0.0,
        )
        initialise(
            self.mlp3_conv1,
            "mlp3_conv1",
            seed,
            weight=Normal(0.0, 0.05),
            bias=0.0,
        )
        initialise(
            self.mlp3_conv2,
            "mlp3_conv2",
            seed,
            weight=Normal(0.0, 0.05),
            bias=0.0,
        )
        initialise(
            self.mlp3_conv3,
            "mlp3_conv3",
            seed,
            weight=Normal(0.0, 0.05),
            bias=0.0,
        )
        initialise(
            self.mlp4_conv1,
            "mlp4_conv1",
            seed,
            weight=Normal(0.0, 0.05),
            bias=0.0,
        )
        initialise(
            self.mlp4_conv2,
            "mlp4_conv2",
            seed,
            weight=Normal(0.0, 0.05),
            bias=0.0,
        )
        initialise(
            self.mlp4_conv3,
            "mlp4_conv3",
            seed,
            weight=Normal(0.0, 0.05),
            bias=0.0,
        )

    def forward(self, x: Tensor) -> Tensor:
        """The logits of each class: the softmax belongs to the loss."""
        x = F.relu(self.mlp1_conv1(x))  # 96x54x54
        x = F.relu(self.mlp1_conv2(x))  # 96x54x54
        x = F.relu(self.mlp1_conv3(x))  # 96x54x54
        x = F.max_pool2d(x, kernel_size=3, stride=2, ceil_mode=True)  # 96x27x27
        x = F.relu(self.mlp2_conv1(x))  # 256x27x27
        x = F.relu(self.mlp2_conv2(x))  # 256x27x27
        x = F.relu(self.mlp2_conv3(x))  # 256x27x27
        x = F.max_pool2d(x, kernel_size=3, stride=2, ceil_mode=True)  # 256x13x13
        x = F.relu(self.mlp3_conv1(x))  # 384x13x13
        x = F.relu(self.mlp3_conv2(x))  # 384x13x13
        x = F.relu(self.mlp3_conv3(x))  # 384x13x13
        x = F.max_pool2d(x, kernel_size=3, stride=2, ceil_mode=True)  # 384x6x6
        x = self.mlp3_dropout(x)  # 384x6x6
        x = F.relu(self.mlp4_conv1(x))  # 1024x6x6
        x = F.relu(self.mlp4_conv2(x))  # 1024x6x6
        x = F.relu(self.mlp4_conv3(x))  # 1000x6x6
        x = torch.mean(x, dim=(2, 3))  # 1000
        return x


RECIPE = Recipe(
    prepare=(Resize(256), CenterCrop(256), Subtract("mean_image")),
    augment=(RandomCrop(224), Mirror()),
    test=TenCrop(224),
    loss=CrossEntropy(),
    optimizer=SGD(lr=0.01, momentum=0.9, weight_decay=0.0005),
    schedule=Plateau(of="val_error", divide=10.0, times=2),
    batch=64,
    epochs=90,
)
