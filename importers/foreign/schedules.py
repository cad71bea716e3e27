"""Divisions of the rate: by what, and after which epochs, which a recipe counts whole."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from alexc.compiler.layers.arguments import LARGEST_SIZE
from alexc.compiler.recipe.steps import MilestoneRate

LARGEST_DIVISION = 1e30  # a rate that is divided by more is no rate
_MOST_MILESTONES = 32


def power(base: float, exponent: float) -> float:
    """The power, of at most LARGEST_DIVISION and at least its inverse, with the digits that a spec may use."""
    try:
        value = base**exponent
    except OverflowError:
        value = LARGEST_DIVISION
    return float(f"{min(max(value, 1 / LARGEST_DIVISION), LARGEST_DIVISION):.8g}")


def are_whole(written: int, epochs: float) -> bool:
    """Whether so many epochs are the whole number that is written, to 1 %."""
    return abs(written - epochs) <= 0.01 * epochs


def milestones(epochs: Sequence[float], divide: float, warmup: float = 0.0) -> tuple[MilestoneRate, bool]:
    """A division after each of these epochs, taken one after the other, and whether they are whole ones.

    Otherwise each is the nearest whole one. Where several fall together, or are more than a recipe may have, those that
    are left come to the same in all.
    """
    nearest = [min(max(1, round(each)), LARGEST_SIZE) for each in accumulate(epochs, max)]
    at = list(dict.fromkeys(nearest))[:_MOST_MILESTONES]
    values = {"at": ("epochs", *at), "divide": power(divide, len(epochs) / len(at)), "warmup": warmup}
    same = at == nearest and all(map(are_whole, nearest, epochs))
    return MilestoneRate.model_validate(values), same
