"""Converts step schedules of other programs: by how much the learning rate is divided, and when."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from math import log

from alexc.compiler.layers.arguments import LARGEST_SIZE, MOST_MILESTONES
from alexc.compiler.recipe.steps import MilestoneRate

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
    for digits in range(8, _MOST_DIGITS + 1):
        written = float(f"{exact:.{digits}g}")
        if times * abs(log(written / exact)) < 1e-9:
            break
    return written


def are_whole(written: int, epochs: float) -> bool:
    """Whether `epochs` is the whole number `written` to within 1 %."""
    return abs(written - epochs) <= 0.01 * epochs


def milestones(epochs: Sequence[float], divide: float, warmup: float = 0.0) -> tuple[MilestoneRate, bool]:
    """A schedule that divides the rate after each of these epochs, and whether it is exact.

    Epochs that are not whole are rounded. If several become equal, or a recipe cannot have as many, the remaining
    divisions lead to the same final rate.
    """
    nearest = [min(max(1, round(each)), LARGEST_SIZE) for each in accumulate(epochs, max)]
    at = list(dict.fromkeys(nearest))[:MOST_MILESTONES]
    values = {"at": ("epochs", *at), "divide": power(divide, len(epochs) / len(at)), "warmup": warmup}
    same = at == nearest and all(map(are_whole, nearest, epochs))
    return MilestoneRate.model_validate(values), same
