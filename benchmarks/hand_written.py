"""AlexNet and its training step in hand-written PyTorch, for comparison."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class HandWrittenAlexNet(nn.Module):
    """The network of 2012 with torch's own layers: (N, 3, 227, 227) to (N, 1000).

    Its normalisation reads across the towers and its dropout scales in training: both are what nn offers, and neither
    changes the work.
    """

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 96, 11, stride=4),
            nn.ReLU(inplace=True),
            nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0),
            nn.MaxPool2d(3, stride=2),
            nn.Conv2d(96, 256, 5, padding=2, groups=2),
            nn.ReLU(inplace=True),
            nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0),
            nn.MaxPool2d(3, stride=2),
            nn.Conv2d(256, 384, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(384, 384, 3, padding=1, groups=2),
            nn.ReLU(inplace=True),
            nn.Conv2d(384, 256, 3, padding=1, groups=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2),
        )
        self.classifier = nn.Sequential(
            nn.Linear(9216, 4096),
            nn.ReLU(inplace=True),
            nn.Dropout(),
            nn.Linear(4096, 4096),
            nn.ReLU(inplace=True),
            nn.Dropout(),
            nn.Linear(4096, 1000),
        )

    def forward(self, x: Tensor) -> Tensor:
        """The logits."""
        return self.classifier(self.features(x).flatten(1))  # type: ignore[no-any-return]


def hand_written_step(
    network: nn.Module,
    images: Tensor,
    labels: Tensor,
    bf16: bool = False,
    channels_last: bool = False,
    compiled: bool = False,
) -> Callable[[], None]:
    """A training step with torch alone: forward pass, backward pass, SGD with momentum.

    Args:
        network: the network, on the device of the images.
        images: (N, 3, H, W).
        labels: (N,), int64.
        bf16: whether to compute under torch.autocast.
        channels_last: the memory format of images and weights.
        compiled: whether to use torch.compile.
    """
    if channels_last:
        network = network.to(memory_format=torch.channels_last)
        images = images.contiguous(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9, weight_decay=0.0005)
    network.train()
    if compiled:
        network.compile()

    def step() -> None:
        optimizer.zero_grad()
        with torch.autocast(images.device.type, torch.bfloat16, enabled=bf16):
            loss = F.cross_entropy(network(images), labels)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        loss.item()

    return step
