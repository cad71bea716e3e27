"""GoogLeNet: 13,378,280 parameters, 3,235,304 neurons.

Made by alexc from googlenet.net: edit that file, not this one.

    layer  output         weights    neurons  multiply-adds
    conv1  64x112x112       9,408    802,816    118,013,952
    conv2  64x56x56         4,096    200,704     12,845,056
    conv3  192x56x56      110,592    602,112    346,816,512
    inc3a  64x28x28       163,328    288,512    128,049,152
    inc3b  128x28x28      388,096    501,760    304,267,264
    inc4a  192x14x14      375,552    122,304     73,608,192
    inc4b  160x14x14      448,512    127,008     87,908,352
    inc4c  128x14x14      509,440    130,144     99,850,240
    inc4d  112x14x14      604,672    137,984    118,515,712
    inc4e  256x14x14      867,328    200,704    169,996,288
    inc5a  256x7x7      1,042,432     50,176     51,079,168
    inc5b  384x7x7      1,442,816     61,936     70,697,984
    aux1   512x4x4      3,186,688      4,072      4,169,728
    aux2   528x4x4      3,188,736      4,072      4,202,496
    fc     1000         1,024,000      1,000      1,024,000
    total              13,365,696  3,235,304  1,591,044,096
"""

from typing import ClassVar

import torch
import torch.nn.functional as F
from alexc.runtime.augmentations.mirror import Mirror
from alexc.runtime.augmentations.random_crop import RandomCrop
from alexc.runtime.layers.dropout import Dropout
from alexc.runtime.layers.initial_values import LeCun, initialise
from alexc.runtime.layers.local_response_norm import LocalResponseNorm
from alexc.runtime.recipes import (
    SGD,
    CenterCrop,
    CrossEntropy,
    Recipe,
    Resize,
    StepRate,
    Subtract,
    TenCrop,
)
from torch import Tensor, nn


class GoogLeNet(nn.Module):
    """Images (N, 3, 224, 224) to logits (N, 1000); comments give one image's shapes."""

    input_shape: ClassVar[tuple[int, int, int]] = (3, 224, 224)
    head_shares: ClassVar[tuple[float, ...]] = (1.0, 0.3, 0.3)

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, kernel_size=7, stride=2, padding=3)
        self.conv1_lrn = LocalResponseNorm(5, alpha=2e-05, beta=0.75, k=1.0)
        self.conv2 = nn.Conv2d(64, 64, kernel_size=1)
        self.conv3 = nn.Conv2d(64, 192, kernel_size=3, padding=1)
        self.conv3_lrn = LocalResponseNorm(5, alpha=2e-05, beta=0.75, k=1.0)
        self.inc3a_one = nn.Conv2d(192, 64, kernel_size=1)
        self.inc3a_three1 = nn.Conv2d(192, 96, kernel_size=1)
        self.inc3a_three = nn.Conv2d(96, 128, kernel_size=3, padding=1)
        self.inc3a_five1 = nn.Conv2d(192, 16, kernel_size=1)
        self.inc3a_five = nn.Conv2d(16, 32, kernel_size=5, padding=2)
        self.inc3a_last = nn.Conv2d(192, 32, kernel_size=1)
        self.inc3b_one = nn.Conv2d(256, 128, kernel_size=1)
        self.inc3b_three1 = nn.Conv2d(256, 128, kernel_size=1)
        self.inc3b_three = nn.Conv2d(128, 192, kernel_size=3, padding=1)
        self.inc3b_five1 = nn.Conv2d(256, 32, kernel_size=1)
        self.inc3b_five = nn.Conv2d(32, 96, kernel_size=5, padding=2)
        self.inc3b_last = nn.Conv2d(256, 64, kernel_size=1)
        self.inc4a_one = nn.Conv2d(480, 192, kernel_size=1)
        self.inc4a_three1 = nn.Conv2d(480, 96, kernel_size=1)
        self.inc4a_three = nn.Conv2d(96, 208, kernel_size=3, padding=1)
        self.inc4a_five1 = nn.Conv2d(480, 16, kernel_size=1)
        self.inc4a_five = nn.Conv2d(16, 48, kernel_size=5, padding=2)
        self.inc4a_last = nn.Conv2d(480, 64, kernel_size=1)
        self.inc4b_one = nn.Conv2d(512, 160, kernel_size=1)
        self.inc4b_three1 = nn.Conv2d(512, 112, kernel_size=1)
        self.inc4b_three = nn.Conv2d(112, 224, kernel_size=3, padding=1)
        self.inc4b_five1 = nn.Conv2d(512, 24, kernel_size=1)
        self.inc4b_five = nn.Conv2d(24, 64, kernel_size=5, padding=2)
        self.inc4b_last = nn.Conv2d(512, 64, kernel_size=1)
        self.inc4c_one = nn.Conv2d(512, 128, kernel_size=1)
        self.inc4c_three1 = nn.Conv2d(512, 128, kernel_size=1)
        self.inc4c_three = nn.Conv2d(128, 256, kernel_size=3, padding=1)
        self.inc4c_five1 = nn.Conv2d(512, 24, kernel_size=1)
        self.inc4c_five = nn.Conv2d(24, 64, kernel_size=5, padding=2)
        self.inc4c_last = nn.Conv2d(512, 64, kernel_size=1)
        self.inc4d_one = nn.Conv2d(512, 112, kernel_size=1)
        self.inc4d_three1 = nn.Conv2d(512, 144, kernel_size=1)
        self.inc4d_three = nn.Conv2d(144, 288, kernel_size=3, padding=1)
        self.inc4d_five1 = nn.Conv2d(512, 32, kernel_size=1)
        self.inc4d_five = nn.Conv2d(32, 64, kernel_size=5, padding=2)
        self.inc4d_last = nn.Conv2d(512, 64, kernel_size=1)
        self.inc4e_one = nn.Conv2d(528, 256, kernel_size=1)
        self.inc4e_three1 = nn.Conv2d(528, 160, kernel_size=1)
        self.inc4e_three = nn.Conv2d(160, 320, kernel_size=3, padding=1)
        self.inc4e_five1 = nn.Conv2d(528, 32, kernel_size=1)
        self.inc4e_five = nn.Conv2d(32, 128, kernel_size=5, padding=2)
        self.inc4e_last = nn.Conv2d(528, 128, kernel_size=1)
        self.inc5a_one = nn.Conv2d(832, 256, kernel_size=1)
        self.inc5a_three1 = nn.Conv2d(832, 160, kernel_size=1)
        self.inc5a_three = nn.Conv2d(160, 320, kernel_size=3, padding=1)
        self.inc5a_five1 = nn.Conv2d(832, 32, kernel_size=1)
        self.inc5a_five = nn.Conv2d(32, 128, kernel_size=5, padding=2)
        self.inc5a_last = nn.Conv2d(832, 128, kernel_size=1)
        self.inc5b_one = nn.Conv2d(832, 384, kernel_size=1)
        self.inc5b_three1 = nn.Conv2d(832, 192, kernel_size=1)
        self.inc5b_three = nn.Conv2d(192, 384, kernel_size=3, padding=1)
        self.inc5b_five1 = nn.Conv2d(832, 48, kernel_size=1)
        self.inc5b_five = nn.Conv2d(48, 128, kernel_size=5, padding=2)
        self.inc5b_last = nn.Conv2d(832, 128, kernel_size=1)
        self.inc5b_dropout = Dropout(0.4, scale="train")
        self.aux1_conv1 = nn.Conv2d(512, 128, kernel_size=1)
        self.aux1_linear1 = nn.Linear(2048, 1024)
        self.aux1_linear1_dropout = Dropout(0.7, scale="train")
        self.aux1_linear2 = nn.Linear(1024, 1000)
        self.aux2_conv1 = nn.Conv2d(528, 128, kernel_size=1)
        self.aux2_linear1 = nn.Linear(2048, 1024)
        self.aux2_linear1_dropout = Dropout(0.7, scale="train")
        self.aux2_linear2 = nn.Linear(1024, 1000)
        self.fc = nn.Linear(1024, 1000)
        self.reset_parameters()

    def reset_parameters(self, seed: int | None = None) -> None:
        """Draw the initial values.

        With a `seed` each tensor is a function of the seed and of its name alone.
        """
        initialise(self.conv1, "conv1", seed, weight=LeCun(), bias=0.2)
        initialise(self.conv2, "conv2", seed, weight=LeCun(), bias=0.2)
        initialise(self.conv3, "conv3", seed, weight=LeCun(), bias=0.2)
        initialise(self.inc3a_one, "inc3a_one", seed, weight=LeCun(), bias=0.2)
        initialise(self.inc3a_three1, "inc3a_three1", seed, weight=LeCun(), bias=0.2)
        initialise(self.inc3a_three, "inc3a_three", seed, weight=LeCun(), bias=0.2)
        initialise(self.inc3a_five1, "inc3a_five1", seed, weight=LeCun(), bias=0.2)
        initialise(self.inc3a_five, "inc3a_five", seed, weight=LeCun(), bias=0.2)
        initialise(self.inc3a_last, "inc3a_last", seed, weight=LeCun(), bias=0.2)
        initialise(self.inc3b_one, "inc3b_one", seed, weight=LeCun(), bias=0.2)
        initialise(self.inc3b_three1, "inc3b_three1", seed, weight=LeCun(), bias=0.2)
        initialise(self.inc3b_three, "inc3b_three", seed, weight=LeCun(), bias=0.2)
        initialise(self.inc3b_five1, "inc3b_five1", seed, weight=LeCun(), bias=0.2)
        initialise(self.inc3b_five, "inc3b_five", seed, weight=LeCun(), bias=0.2)
        initialise(self.inc3b_last, "inc3b_last", seed, weight=LeCun(), bias=0.2)
        initialise(self.inc4a_one, "inc4a_one", seed, weight=LeCun(), bias=0.2)
        initialise(self.inc4a_three1, "inc4a_three1", seed, weight=LeCun(), bias=0.2)
        initialise(self.inc4a_three, "inc4a_three", seed, weight=LeCun(), bias=0.2)
        initialise(self.inc4a_five1, "inc4a_five1", seed, weight=LeCun(), bias=0.2)
        initialise(self.inc4a_five, "inc4a_five", seed, weight=LeCun(), bias=0.2)
        initialise(self.inc4a_last, "inc4a_last", seed, weight=LeCun(), bias=0.2)
        initialise(self.inc4b_one, "inc4b_one", seed, weight=LeCun(), bias=0.2)
        initialise(self.inc4b_three1, "inc4b_three1", seed, weight=LeCun(), bias=0.2)
        initialise(self.inc4b_three, "inc4b_three", seed, weight=LeCun(), bias=0.2)
        initialise(self.inc4b_five1, "inc4b_five1", seed, weight=LeCun(), bias=0.2)
        initialise(self.inc4b_five, "inc4b_five", seed, weight=LeCun(), bias=0.2)
        initialise(self.inc4b_last, "inc4b_last", seed, weight=LeCun(), bias=0.2)
        initialise(self.inc4c_one, "inc4c_one", seed, weight=LeCun(), bias=0.2)
        initialise(self.inc4c_three1, "inc4c_three1", seed, weight=LeCun(), bias=0.2)
        initialise(self.inc4c_three, "inc4c_three", seed, weight=LeCun(), bias=0.2)
        initialise(self.inc4c_five1, "inc4c_five1", seed, weight=LeCun(), bias=0.2)
        initialise(self.inc4c_five, "inc4c_five", seed, weight=LeCun(), bias=0.2)
        initialise(self.inc4c_last, "inc4c_last", seed, weight=LeCun(), bias=0.2)
        initialise(self.inc4d_one, "inc4d_one", seed, weight=LeCun(), bias=0.2)
        initialise(self.inc4d_three1, "inc4d_three1", seed, weight=LeCun(), bias=0.2)
        initialise(self.inc4d_three, "inc4d_three", seed, weight=LeCun(), bias=0.2)
        initialise(self.inc4d_five1, "inc4d_five1", seed, weight=LeCun(), bias=0.2)
        initialise(self.inc4d_five, "inc4d_five", seed, weight=LeCun(), bias=0.2)
        initialise(self.inc4d_last, "inc4d_last", seed, weight=LeCun(), bias=0.2)
        initialise(self.inc4e_one, "inc4e_one", seed, weight=LeCun(), bias=0.2)
        initialise(self.inc4e_three1, "inc4e_three1", seed, weight=LeCun(), bias=0.2)
        initialise(self.inc4e_three, "inc4e_three", seed, weight=LeCun(), bias=0.2)
        initialise(self.inc4e_five1, "inc4e_five1", seed, weight=LeCun(), bias=0.2)
        initialise(self.inc4e_five, "inc4e_five", seed, weight=LeCun(), bias=0.2)
        initialise(self.inc4e_last, "inc4e_last", seed, weight=LeCun(), bias=0.2)
        initialise(self.inc5a_one, "inc5a_one", seed, weight=LeCun(), bias=0.2)
        initialise(self.inc5a_three1, "inc5a_three1", seed, weight=LeCun(), bias=0.2)
        initialise(self.inc5a_three, "inc5a_three", seed, weight=LeCun(), bias=0.2)
        initialise(self.inc5a_five1, "inc5a_five1", seed, weight=LeCun(), bias=0.2)
        initialise(self.inc5a_five, "inc5a_five", seed, weight=LeCun(), bias=0.2)
        initialise(self.inc5a_last, "inc5a_last", seed, weight=LeCun(), bias=0.2)
        initialise(self.inc5b_one, "inc5b_one", seed, weight=LeCun(), bias=0.2)
        initialise(self.inc5b_three1, "inc5b_three1", seed, weight=LeCun(), bias=0.2)
        initialise(self.inc5b_three, "inc5b_three", seed, weight=LeCun(), bias=0.2)
        initialise(self.inc5b_five1, "inc5b_five1", seed, weight=LeCun(), bias=0.2)
        initialise(self.inc5b_five, "inc5b_five", seed, weight=LeCun(), bias=0.2)
        initialise(self.inc5b_last, "inc5b_last", seed, weight=LeCun(), bias=0.2)
        initialise(self.aux1_conv1, "aux1_conv1", seed, weight=LeCun(), bias=0.2)
        initialise(self.aux1_linear1, "aux1_linear1", seed, weight=LeCun(), bias=0.2)
        initialise(self.aux1_linear2, "aux1_linear2", seed, weight=LeCun(), bias=0.0)
        initialise(self.aux2_conv1, "aux2_conv1", seed, weight=LeCun(), bias=0.2)
        initialise(self.aux2_linear1, "aux2_linear1", seed, weight=LeCun(), bias=0.2)
        initialise(self.aux2_linear2, "aux2_linear2", seed, weight=LeCun(), bias=0.0)
        initialise(self.fc, "fc", seed, weight=LeCun(), bias=0.0)

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        """The logits of each class; in training also those of aux1.linear2 and aux2.linear2."""
        x = F.relu(self.conv1(x))  # 64x112x112
        x = F.max_pool2d(x, kernel_size=3, stride=2, ceil_mode=True)  # 64x56x56
        x = self.conv1_lrn(x)  # 64x56x56
        x = F.relu(self.conv2(x))  # 64x56x56
        x = F.relu(self.conv3(x))  # 192x56x56
        x = self.conv3_lrn(x)  # 192x56x56
        conv3 = F.max_pool2d(x, kernel_size=3, stride=2, ceil_mode=True)  # 192x28x28
        inc3a_one = F.relu(self.inc3a_one(conv3))  # 64x28x28
        x = F.relu(self.inc3a_three1(conv3))  # 96x28x28
        inc3a_three = F.relu(self.inc3a_three(x))  # 128x28x28
        x = F.relu(self.inc3a_five1(conv3))  # 16x28x28
        inc3a_five = F.relu(self.inc3a_five(x))  # 32x28x28
        x = F.max_pool2d(conv3, kernel_size=3, stride=1, padding=1)  # 192x28x28
        inc3a_last = F.relu(self.inc3a_last(x))  # 32x28x28
        inc3a_concat1 = torch.cat(
            (inc3a_one, inc3a_three, inc3a_five, inc3a_last),
            dim=1,
        )  # 256x28x28
        inc3b_one = F.relu(self.inc3b_one(inc3a_concat1))  # 128x28x28
        x = F.relu(self.inc3b_three1(inc3a_concat1))  # 128x28x28
        inc3b_three = F.relu(self.inc3b_three(x))  # 192x28x28
        x = F.relu(self.inc3b_five1(inc3a_concat1))  # 32x28x28
        inc3b_five = F.relu(self.inc3b_five(x))  # 96x28x28
        x = F.max_pool2d(inc3a_concat1, kernel_size=3, stride=1, padding=1)  # 256x28x28
        inc3b_last = F.relu(self.inc3b_last(x))  # 64x28x28
        x = torch.cat(
            (inc3b_one, inc3b_three, inc3b_five, inc3b_last),
            dim=1,
        )  # 480x28x28
        inc3b = F.max_pool2d(x, kernel_size=3, stride=2, ceil_mode=True)  # 480x14x14
        inc4a_one = F.relu(self.inc4a_one(inc3b))  # 192x14x14
        x = F.relu(self.inc4a_three1(inc3b))  # 96x14x14
        inc4a_three = F.relu(self.inc4a_three(x))  # 208x14x14
        x = F.relu(self.inc4a_five1(inc3b))  # 16x14x14
        inc4a_five = F.relu(self.inc4a_five(x))  # 48x14x14
        x = F.max_pool2d(inc3b, kernel_size=3, stride=1, padding=1)  # 480x14x14
        inc4a_last = F.relu(self.inc4a_last(x))  # 64x14x14
        inc4a_concat1 = torch.cat(
            (inc4a_one, inc4a_three, inc4a_five, inc4a_last),
            dim=1,
        )  # 512x14x14
        inc4b_one = F.relu(self.inc4b_one(inc4a_concat1))  # 160x14x14
        x = F.relu(self.inc4b_three1(inc4a_concat1))  # 112x14x14
        inc4b_three = F.relu(self.inc4b_three(x))  # 224x14x14
        x = F.relu(self.inc4b_five1(inc4a_concat1))  # 24x14x14
        inc4b_five = F.relu(self.inc4b_five(x))  # 64x14x14
        x = F.max_pool2d(inc4a_concat1, kernel_size=3, stride=1, padding=1)  # 512x14x14
        inc4b_last = F.relu(self.inc4b_last(x))  # 64x14x14
        inc4b_concat1 = torch.cat(
            (inc4b_one, inc4b_three, inc4b_five, inc4b_last),
            dim=1,
        )  # 512x14x14
        inc4c_one = F.relu(self.inc4c_one(inc4b_concat1))  # 128x14x14
        x = F.relu(self.inc4c_three1(inc4b_concat1))  # 128x14x14
        inc4c_three = F.relu(self.inc4c_three(x))  # 256x14x14
        x = F.relu(self.inc4c_five1(inc4b_concat1))  # 24x14x14
        inc4c_five = F.relu(self.inc4c_five(x))  # 64x14x14
        x = F.max_pool2d(inc4b_concat1, kernel_size=3, stride=1, padding=1)  # 512x14x14
        inc4c_last = F.relu(self.inc4c_last(x))  # 64x14x14
        inc4c_concat1 = torch.cat(
            (inc4c_one, inc4c_three, inc4c_five, inc4c_last),
            dim=1,
        )  # 512x14x14
        inc4d_one = F.relu(self.inc4d_one(inc4c_concat1))  # 112x14x14
        x = F.relu(self.inc4d_three1(inc4c_concat1))  # 144x14x14
        inc4d_three = F.relu(self.inc4d_three(x))  # 288x14x14
        x = F.relu(self.inc4d_five1(inc4c_concat1))  # 32x14x14
        inc4d_five = F.relu(self.inc4d_five(x))  # 64x14x14
        x = F.max_pool2d(inc4c_concat1, kernel_size=3, stride=1, padding=1)  # 512x14x14
        inc4d_last = F.relu(self.inc4d_last(x))  # 64x14x14
        inc4d_concat1 = torch.cat(
            (inc4d_one, inc4d_three, inc4d_five, inc4d_last),
            dim=1,
        )  # 528x14x14
        inc4e_one = F.relu(self.inc4e_one(inc4d_concat1))  # 256x14x14
        x = F.relu(self.inc4e_three1(inc4d_concat1))  # 160x14x14
        inc4e_three = F.relu(self.inc4e_three(x))  # 320x14x14
        x = F.relu(self.inc4e_five1(inc4d_concat1))  # 32x14x14
        inc4e_five = F.relu(self.inc4e_five(x))  # 128x14x14
        x = F.max_pool2d(inc4d_concat1, kernel_size=3, stride=1, padding=1)  # 528x14x14
        inc4e_last = F.relu(self.inc4e_last(x))  # 128x14x14
        x = torch.cat(
            (inc4e_one, inc4e_three, inc4e_five, inc4e_last),
            dim=1,
        )  # 832x14x14
        inc4e = F.max_pool2d(x, kernel_size=3, stride=2, ceil_mode=True)  # 832x7x7
        inc5a_one = F.relu(self.inc5a_one(inc4e))  # 256x7x7
        x = F.relu(self.inc5a_three1(inc4e))  # 160x7x7
        inc5a_three = F.relu(self.inc5a_three(x))  # 320x7x7
        x = F.relu(self.inc5a_five1(inc4e))  # 32x7x7
        inc5a_five = F.relu(self.inc5a_five(x))  # 128x7x7
        x = F.max_pool2d(inc4e, kernel_size=3, stride=1, padding=1)  # 832x7x7
        inc5a_last = F.relu(self.inc5a_last(x))  # 128x7x7
        inc5a_concat1 = torch.cat(
            (inc5a_one, inc5a_three, inc5a_five, inc5a_last),
            dim=1,
        )  # 832x7x7
        inc5b_one = F.relu(self.inc5b_one(inc5a_concat1))  # 384x7x7
        x = F.relu(self.inc5b_three1(inc5a_concat1))  # 192x7x7
        inc5b_three = F.relu(self.inc5b_three(x))  # 384x7x7
        x = F.relu(self.inc5b_five1(inc5a_concat1))  # 48x7x7
        inc5b_five = F.relu(self.inc5b_five(x))  # 128x7x7
        x = F.max_pool2d(inc5a_concat1, kernel_size=3, stride=1, padding=1)  # 832x7x7
        inc5b_last = F.relu(self.inc5b_last(x))  # 128x7x7
        x = torch.cat(
            (inc5b_one, inc5b_three, inc5b_five, inc5b_last),
            dim=1,
        )  # 1024x7x7
        x = torch.mean(x, dim=(2, 3))  # 1024
        inc5b = self.inc5b_dropout(x)  # 1024
        if self.training:
            x = F.avg_pool2d(
                inc4a_concat1,
                kernel_size=5,
                stride=3,
                ceil_mode=True,
            )  # 512x4x4
            x = F.relu(self.aux1_conv1(x))  # 128x4x4
            x = x.flatten(1)  # 2048
            x = F.relu(self.aux1_linear1(x))  # 1024
            x = self.aux1_linear1_dropout(x)  # 1024
            aux1_linear2 = self.aux1_linear2(x)  # 1000
            x = F.avg_pool2d(
                inc4d_concat1,
                kernel_size=5,
                stride=3,
                ceil_mode=True,
            )  # 528x4x4
            x = F.relu(self.aux2_conv1(x))  # 128x4x4
            x = x.flatten(1)  # 2048
            x = F.relu(self.aux2_linear1(x))  # 1024
            x = self.aux2_linear1_dropout(x)  # 1024
            aux2_linear2 = self.aux2_linear2(x)  # 1000
        x = self.fc(inc5b)  # 1000
        if self.training:
            return x, aux1_linear2, aux2_linear2
        return x


RECIPE = Recipe(
    prepare=(Resize(256), CenterCrop(256), Subtract("mean_image")),
    augment=(RandomCrop(224), Mirror()),
    test=TenCrop(224),
    loss=CrossEntropy(),
    optimizer=SGD(lr=0.01, momentum=0.9, weight_decay=0.0002),
    schedule=StepRate(every=8, divide=1.041667),
    batch=32,
    epochs=60,
)
