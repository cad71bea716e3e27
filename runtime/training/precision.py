"""Mixed precision: in which type layers compute, and the scale that keeps float16 gradients from vanishing."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch

from .. import recipes

_TYPES = {recipes.BFloat16: torch.bfloat16, recipes.Float16: torch.float16}


def autocast(
    precision: recipes.Float32 | recipes.BFloat16 | recipes.Float16, device: torch.device
) -> AbstractContextManager[object]:
    """A context in which layers compute as the recipe says."""
    if isinstance(precision, recipes.Float32):
        return nullcontext()
    return torch.autocast(device.type, _TYPES[type(precision)])


@dataclass
class LossScale:
    """The factor of the loss, as torch.amp.GradScaler changes it; 1 for ever where `growth` is 0.

    Attributes:
        scale: the factor.
        growth: after so many steps in a row without overflow it doubles.
        unspoilt: how many there were since the last change.
        skipped: how many steps were left out in all.
    """

    scale: float = 1.0
    growth: int = 0
    unspoilt: int = 0
    skipped: int = 0

    def skips(self, spoilt: bool) -> bool:
        """Count a step; returns whether it is to be left out because scaling made its gradients overflow."""
        if not self.growth:
            return False
        if spoilt:
            if self.scale <= 1.0:
                return False  # the gradients themselves are not finite
            self.scale, self.unspoilt, self.skipped = self.scale / 2, 0, self.skipped + 1
            return True
        self.unspoilt += 1
        if self.unspoilt == self.growth:
            self.scale, self.unspoilt = self.scale * 2, 0
        return False


def loss_scale_of(precision: recipes.Float32 | recipes.BFloat16 | recipes.Float16) -> LossScale:
    """The scale that a training begins with: float32 and bfloat16 have exponents enough to need none."""
    return LossScale(precision.scale, precision.growth) if isinstance(precision, recipes.Float16) else LossScale()
