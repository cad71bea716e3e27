"""Converts step schedules of other programs: by how much the learning rate is divided, and when."""

from __future__ import annotations

from collections.abc import Sequence
from math import log

from alexc.compiler.layers.arguments import LARGEST_SIZE

LARGEST_DIVISION = 1e30  # a learning rate divided by more is practically 0
_MOST_DIGITS = 15  # of a number in a spec


def power(base: float, exponent: float) -> float:
    """Raise base to exponent, clamped to LARGEST_DIVISION and its inverse, with the digits that a spec can have."""
    try:
        value = base**exponent
    except OverflowError:
        value = LARGEST_DIVISION
    return float(f"{min(max(value, 1 / LARGEST_DIVISION), LARGEST_DIVISION):.8g}")


def divisor(factor: float, times: int) -> float:
    """The shortest number that is 1 / `factor` in a spec: its power `times` is right to 9 digits, if a spec allows it.

    The result is clamped to LARGEST_DIVISION and its inverse.
    """
    exact = min(max(1 / factor, 1 / LARGEST_DIVISION), LARGEST_DIVISION)
    for digits in range(8, _MOST_DIGITS):
        written = float(f"{exact:.{digits}g}")
        if times * abs(log(written / exact)) < 1e-9:
            return written
    return float(f"{exact:.{_MOST_DIGITS}g}")


def whole_epochs(iterations: Sequence[int], steps_per_epoch: int) -> list[int]:
    """These iterations as epochs if all of them are whole epochs, and few enough for a recipe; else none."""
    epochs = [each // steps_per_epoch for each in iterations]
    whole = all(each > 0 and each % steps_per_epoch == 0 for each in iterations)
    return epochs if whole and max(epochs) <= LARGEST_SIZE else []
