"""Mixed precision: the type in which layers compute, and the loss scale that keeps float16 gradients from vanishing."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch

from .. import recipes
from .plain_state import PlainState

_TYPES = {recipes.BFloat16: torch.bfloat16, recipes.Float16: torch.float16}
_INSTRUCTIONS = {recipes.BFloat16: "_is_mkldnn_bf16_supported", recipes.Float16: "_is_mkldnn_fp16_supported"}


def autocast(precision: recipes.Precision, device: torch.device) -> AbstractContextManager[object]:
    """A context in which layers compute in the precision of the recipe."""
    if isinstance(precision, recipes.Float32):
        return nullcontext()
    return torch.autocast(device.type, _TYPES[type(precision)])


def slow_type(precision: recipes.Precision, device: torch.device) -> str | None:
    """The name of the type, if this CPU lacks instructions for it: it computes many times slower than in float32."""
    if device.type != "cpu" or isinstance(precision, recipes.Float32) or not _has_mkldnn():
        return None
    has_instructions = getattr(torch.ops.mkldnn, _INSTRUCTIONS[type(precision)])()
    return None if has_instructions else str(_TYPES[type(precision)]).removeprefix("torch.")


def _has_mkldnn() -> bool:
    return bool(torch.backends.mkldnn.is_available())  # type: ignore[no-untyped-call]


class LossScale(PlainState):
    """The factor of the loss in a backward pass, changed as torch.amp.GradScaler changes it.

    Only float16 needs one: float32 and bfloat16 have enough bits of exponent, and the factor stays 1.

    Attributes:
        scale: the factor of the next step.
        good_steps: steps without overflow since the last change.
        skipped: how many steps were skipped so far.
    """

    def __init__(self, precision: recipes.Precision) -> None:
        self.scale, self._growth, self.good_steps, self.skipped = 1.0, 0, 0, 0
        if isinstance(precision, recipes.Float16):
            self.scale, self._growth = precision.scale, precision.growth

    def skips(self, overflow: bool) -> bool:
        """Count a step. Returns whether to skip it, because the scale made its gradients overflow.

        An overflow halves the scale; `growth` steps in a row without overflow double it.
        """
        if not self._growth:
            return False
        if overflow:
            if self.scale <= 1.0:
                return False  # the gradients are not finite even without a scale
            self.scale, self.good_steps, self.skipped = self.scale / 2, 0, self.skipped + 1
            return True
        self.good_steps += 1
        if self.good_steps == self._growth:
            self.scale, self.good_steps = self.scale * 2, 0
        return False
