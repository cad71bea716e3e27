"""When the rate is divided and when a training ends."""

from __future__ import annotations

import json
import math

import pytest

from alexc.runtime import recipe
from alexc.runtime.training.plateau import PlateauSchedule
from alexc.runtime.training.schedule import ConstantSchedule, schedule_of


def plateau(patience: int = 3, times: int = 3, least: float = 0.0) -> PlateauSchedule:
    return PlateauSchedule(recipe.Plateau("val_error", divide=10, times=times, patience=patience, least=least), 0.01)


def rates(schedule: PlateauSchedule, figures: list[float]) -> list[float]:
    """The rate of each epoch, as long as there is one."""
    result = []
    for figure in figures:
        if schedule.ended:
            break
        result.append(schedule.rate)
        schedule.after_epoch(figure)
    return result


def test_three_divisions_then_the_end() -> None:
    schedule = plateau()
    seen = rates(schedule, [0.9] * 40)
    # The first epoch improves on nothing; then three without improvement end each rate.
    assert seen == pytest.approx([0.01] * 4 + [0.001] * 3 + [0.0001] * 3 + [0.00001] * 3)
    assert schedule.ended


def test_improvement_starts_the_count_anew() -> None:
    schedule = plateau()
    assert rates(schedule, [0.9, 0.9, 0.9, 0.8, 0.8, 0.8, 0.7, 0.7, 0.7, 0.7, 0.7]) == pytest.approx(
        [0.01] * 10 + [0.001]
    )


def test_an_improvement_after_a_division_must_beat_the_best_of_all() -> None:
    schedule = plateau(patience=2)
    assert rates(schedule, [0.5, 0.6, 0.6, 0.55, 0.52, 0.4]) == pytest.approx([0.01] * 3 + [0.001] * 2 + [0.0001])


@pytest.mark.parametrize(("figure", "improves"), [(0.75, False), (0.74, True), (0.9, False), (1.1, False)])
def test_least_must_be_exceeded(figure: float, improves: bool) -> None:
    schedule = plateau(patience=1, least=0.25)
    schedule.after_epoch(1.0)
    schedule.after_epoch(figure)
    assert (schedule.rate == 0.01) is improves


def test_what_is_not_a_number_is_never_best() -> None:
    schedule = plateau()
    assert rates(schedule, [math.nan, math.nan, math.nan, 0.5, 0.4, math.inf, math.nan, 0.45, 0.3]) == pytest.approx(
        [0.01] * 3 + [0.001] * 5 + [0.0001]
    )
    assert schedule.state()["best"] == 0.3


def test_says_what_happened() -> None:
    schedule = plateau(patience=1, times=1)
    assert schedule.after_epoch(0.5) is None
    assert schedule.after_epoch(0.5) == (
        "val_error has not improved for 1 epochs (best 0.5): rate 0.001 from now on (1 of 1 divisions)"
    )
    assert schedule.after_epoch(0.5) == (
        "val_error has not improved for 1 epochs (best 0.5): the end, after 1 divisions of the rate"
    )


def test_goes_on_from_its_state() -> None:
    figures = [0.9, 0.8, 0.85, 0.85, 0.8, 0.7, 0.7, 0.7, 0.7, 0.7, 0.7, 0.7, 0.7]
    whole = plateau()
    expected = rates(whole, figures)
    for cut in range(len(figures)):
        first, second = plateau(), plateau()
        before = rates(first, figures[:cut])
        second.restore(json.loads(json.dumps(first.state())))
        assert before + rates(second, figures[cut:]) == expected


def test_constant() -> None:
    base = recipe.Recipe(
        (), (), recipe.CenterView(8), recipe.CrossEntropy(), recipe.SGD(0.3), recipe.ConstantRate(), 1, 1
    )
    schedule = schedule_of(base)
    assert isinstance(schedule, ConstantSchedule)
    schedule.after_epoch(0.5)
    assert (schedule.rate, schedule.ended) == (0.3, False)
