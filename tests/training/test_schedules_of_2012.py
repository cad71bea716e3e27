"""The schedules of the parameter files of 2012, by their formulas and against recorded values."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from alexc.runtime import recipes
from alexc.runtime.training.schedule import FixedSchedule

VECTORS = Path(__file__).resolve().parents[3] / "shared" / "oracles" / "lab-2012-vectors.json"
JUMPS = recipes.DiscreteExponentialRate(divide=250, steps=4, jumps="yes")


def rate(rule: recipes.FixedRule, progress: float) -> float:
    """The rate at a share of the training, of 10,000 steps in one epoch."""
    return FixedSchedule(rule, 0.01, 1).rate_at(round(progress * 10_000), 10_000)


@pytest.mark.parametrize(("progress", "wanted"), [(0, 0.01), (0.25, 0.0075025), (0.5, 0.005005), (1, 0.00001)])
def test_a_linear_schedule_ends_at_the_divided_rate(progress: float, wanted: float) -> None:
    assert rate(recipes.LinearRate(divide=1000), progress) == pytest.approx(wanted, rel=1e-12)


def test_the_rate_jumps_to_the_mean_in_the_second_half_of_a_part() -> None:
    first, second, third, fourth = (0.01 * 250 ** -(part / 3) for part in range(4))
    found = [rate(JUMPS, progress) for progress in (0.1, 0.24, 0.3, 0.4, 0.6, 0.7, 0.8, 0.89, 0.95)]
    between = (second * first) ** 0.5, (third * second) ** 0.5, (fourth * third) ** 0.5
    wanted = [first, first, second, between[0], third, between[1], fourth, between[2], fourth]
    assert found == pytest.approx(wanted, rel=1e-12)


@pytest.mark.skipif(not VECTORS.is_file(), reason="the recorded values are not present")
@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("linear_1000", recipes.LinearRate(divide=1000)),
        ("exp_1000", recipes.ExponentialRate(divide=1000)),
        ("dexp_250_4", recipes.DiscreteExponentialRate(divide=250, steps=4)),
        ("jdexp_250_4", JUMPS),
    ],
)
def test_schedules_give_the_recorded_rates(name: str, rule: recipes.FixedRule) -> None:
    case = json.loads(VECTORS.read_text())["schedules"]
    for progress, wanted in zip(case["progress"], case[name], strict=True):
        assert rate(rule, progress) == pytest.approx(wanted, rel=1e-12)
