"""Numbers on their way from the device that computes them."""

from __future__ import annotations

import torch
from torch import Tensor


class DeviceNumbers:
    """Numbers that a device computes. On a GPU they are copied to the CPU without waiting for it.

    Args:
        numbers: each of shape ().
    """

    def __init__(self, *numbers: Tensor) -> None:
        self._copied: torch.cuda.Event | None = None
        self._numbers = numbers
        if numbers[0].device.type == "cuda":
            self._numbers = tuple(torch.stack([each.double() for each in numbers]).to("cpu", non_blocking=True))
            self._copied = torch.cuda.Event()  # type: ignore[no-untyped-call]
            self._copied.record()

    def read(self) -> list[float]:
        """The numbers, once the device has computed them."""
        if self._copied is not None:
            self._copied.synchronize()
        return [float(each) for each in self._numbers]
