"""Mixed precision: the type in which layers compute, and the loss scale that keeps float16 gradients from vanishing."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TypedDict

import torch

from .. import recipes

Precision = recipes.Float32 | recipes.BFloat16 | recipes.Float16
_TYPES = {recipes.BFloat16: torch.bfloat16, recipes.Float16: torch.float16}


def autocast(precision: Precision, device: torch.device) -> AbstractContextManager[object]:
    """A context in which layers compute in the precision of the recipe."""
    if isinstance(precision, recipes.Float32):
        return nullcontext()
    return torch.autocast(device.type, _TYPES[type(precision)])


class LossScaleState(TypedDict):
    """What a checkpoint keeps of a loss scale."""

    scale: float
    good_steps: int
    skipped: int


class LossScale:
    """The factor of the loss in a backward pass, changed as torch.amp.GradScaler changes it.

    Only float16 needs one: float32 and bfloat16 have enough bits of exponent, and the factor stays 1.
    """

    def __init__(self, precision: Precision) -> None:
        scale, self._growth = 1.0, 0
        if isinstance(precision, recipes.Float16):
            scale, self._growth = precision.scale, precision.growth
        self._state = LossScaleState(scale=scale, good_steps=0, skipped=0)

    @property
    def scale(self) -> float:
        """The factor of the next step."""
        return self._state["scale"]

    @property
    def skipped(self) -> int:
        """How many steps were skipped so far."""
        return self._state["skipped"]

    def skips(self, overflow: bool) -> bool:
        """Count a step. Returns whether to skip it, because the scale made its gradients overflow.

        An overflow halves the scale; `growth` steps in a row without overflow double it.
        """
        state = self._state
        if not self._growth:
            return False
        if overflow:
            if state["scale"] <= 1.0:
                return False  # without the scale, too, the gradients are not finite
            self._state = LossScaleState(scale=state["scale"] / 2, good_steps=0, skipped=state["skipped"] + 1)
            return True
        state["good_steps"] += 1
        if state["good_steps"] == self._growth:
            state["scale"], state["good_steps"] = state["scale"] * 2, 0
        return False

    def state_dict(self) -> LossScaleState:
        """The scale, the steps since its last change, and the number of skipped steps."""
        return self._state.copy()

    def load_state_dict(self, state_dict: LossScaleState) -> None:
        """Continue from a saved state."""
        self._state = state_dict.copy()
