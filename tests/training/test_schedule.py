"""Learning rate schedules: when the rate changes, and when a training ends."""

from __future__ import annotations

import json
import math
from collections.abc import Callable

import pytest
import torch
from torch.optim import lr_scheduler
from torch.optim.lr_scheduler import LRScheduler

from alexc.runtime import recipes
from alexc.runtime.runs.epoch_metrics import EpochMetrics
from alexc.runtime.training.plateau import PlateauSchedule
from alexc.runtime.training.schedule import FixedSchedule, schedule_of


def plateau(patience: int = 3, times: int = 3, least: float = 0.0) -> PlateauSchedule:
    return PlateauSchedule(recipes.Plateau("val_error", divide=10, times=times, patience=patience, least=least), 0.01)


def metrics(val_error: float) -> EpochMetrics:
    return EpochMetrics(train_loss=1.0, train_error=1.0, val_loss=1.0, val_error=val_error, val_top5_error=1.0)


def rates(schedule: PlateauSchedule, errors: list[float]) -> list[float]:
    """The rate of each epoch until the schedule ends."""
    result = []
    for error in errors:
        if schedule.ended:
            break
        result.append(schedule.rate)
        schedule.after_epoch(metrics(error))
    return result


def test_three_divisions_then_the_end() -> None:
    schedule = plateau()
    seen = rates(schedule, [0.9] * 40)
    # The first epoch is the best so far; then each rate ends after three epochs without improvement.
    assert seen == pytest.approx([0.01] * 4 + [0.001] * 3 + [0.0001] * 3 + [0.00001] * 3)
    assert schedule.ended


def test_an_improvement_resets_the_count() -> None:
    schedule = plateau()
    assert rates(schedule, [0.9, 0.9, 0.9, 0.8, 0.8, 0.8, 0.7, 0.7, 0.7, 0.7, 0.7]) == pytest.approx(
        [0.01] * 10 + [0.001]
    )


def test_an_improvement_after_a_division_must_beat_the_best_of_all() -> None:
    schedule = plateau(patience=2)
    assert rates(schedule, [0.5, 0.6, 0.6, 0.55, 0.52, 0.4]) == pytest.approx([0.01] * 3 + [0.001] * 2 + [0.0001])


@pytest.mark.parametrize(("error", "improves"), [(0.75, False), (0.74, True), (0.9, False), (1.1, False)])
def test_least_must_be_exceeded(error: float, improves: bool) -> None:
    schedule = plateau(patience=1, least=0.25)
    schedule.after_epoch(metrics(1.0))
    schedule.after_epoch(metrics(error))
    assert (schedule.rate == 0.01) is improves


def test_what_is_not_a_number_is_never_best() -> None:
    schedule = plateau()
    assert rates(schedule, [math.nan, math.nan, math.nan, 0.5, 0.4, math.inf, math.nan, 0.45, 0.3]) == pytest.approx(
        [0.01] * 3 + [0.001] * 5 + [0.0001]
    )
    assert schedule.state_dict()["best"] == 0.3


def test_says_what_happened() -> None:
    schedule = plateau(patience=1, times=1)
    assert schedule.after_epoch(metrics(0.5)) is None
    assert schedule.after_epoch(metrics(0.5)) == (
        "val_error has not improved for 1 epochs (best 0.5): rate 0.001 from now on (1 of 1 divisions)"
    )
    assert schedule.after_epoch(metrics(0.5)) == (
        "val_error has not improved for 1 epochs (best 0.5): training ends after 1 divisions of the rate"
    )
    coarse = plateau(patience=1, least=0.25)
    coarse.after_epoch(metrics(0.5))
    assert str(coarse.after_epoch(metrics(0.4))).startswith(
        "val_error has not improved by more than 0.25 for 1 epochs (best 0.5)"
    )


def test_continues_from_its_state() -> None:
    errors = [0.9, 0.8, 0.85, 0.85, 0.8, 0.7, 0.7, 0.7, 0.7, 0.7, 0.7, 0.7, 0.7]
    whole = plateau()
    expected = rates(whole, errors)
    for cut in range(len(errors)):
        first, second = plateau(), plateau()
        before = rates(first, errors[:cut])
        second.load_state_dict(json.loads(json.dumps(first.state_dict())))
        assert before + rates(second, errors[cut:]) == expected


EPOCHS, STEPS = 12, 5


def fixed(rule: recipes.FixedRule, epochs: int = EPOCHS) -> list[float]:
    """The rate of every step, and of three steps after the end."""
    base = recipes.Recipe((), (), recipes.CenterView(8), recipes.CrossEntropy(), recipes.SGD(0.3), rule, 1, epochs)
    schedule = schedule_of(base)
    assert isinstance(schedule, FixedSchedule)
    schedule.after_epoch(metrics(0.5))
    assert not schedule.ended
    return [schedule.rate_at(step, STEPS) for step in range(epochs * STEPS + 3)]


def torchs(make: Callable[[torch.optim.Optimizer], LRScheduler], calls_per_step: bool, steps: int) -> list[float]:
    """The rates of a scheduler of torch, which is called after each step or after each epoch."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.3)
    scheduler = make(optimizer)
    rates = []
    for step in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if calls_per_step or (step + 1) % STEPS == 0:
            scheduler.step()
    return rates


def test_a_constant_rate() -> None:
    assert set(fixed(recipes.ConstantRate())) == {0.3}


@pytest.mark.parametrize(
    ("rule", "make", "calls_per_step"),
    [
        (recipes.StepRate(4, 10), lambda o: lr_scheduler.StepLR(o, 4, 0.1), False),
        (recipes.MilestoneRate((3, 7), 10), lambda o: lr_scheduler.MultiStepLR(o, [3, 7], 0.1), False),
        (recipes.CosineRate(), lambda o: lr_scheduler.CosineAnnealingLR(o, EPOCHS * STEPS), True),
        (recipes.PolynomialRate(), lambda o: lr_scheduler.PolynomialLR(o, EPOCHS * STEPS, 1), True),
        (recipes.PolynomialRate(0.5), lambda o: lr_scheduler.PolynomialLR(o, EPOCHS * STEPS, 0.5), True),
        (recipes.ExponentialRate(50), lambda o: lr_scheduler.ExponentialLR(o, 50 ** (-1 / (EPOCHS * STEPS))), True),
    ],
)
def test_equals_torch(
    rule: recipes.FixedRule, make: Callable[[torch.optim.Optimizer], LRScheduler], calls_per_step: bool
) -> None:
    assert fixed(rule)[: EPOCHS * STEPS] == pytest.approx(torchs(make, calls_per_step, EPOCHS * STEPS), abs=1e-12)


def test_discrete_exponential_follows_the_example_of_cuda_convnet2() -> None:
    """`dexp[base=0.01;tgtFactor=100;numSteps=3]` is 0.01, 0.001 and 0.0001, each for a third of the training.

    A part counts its end: the first step of the second third is the end of the first one.
    """
    third = EPOCHS * STEPS // 3
    expected = [0.3] * (third + 1) + [0.03] * third + [0.003] * (third + 2)
    assert fixed(recipes.DiscreteExponentialRate(100, 3)) == pytest.approx(expected)


def test_after_its_end_a_schedule_keeps_the_last_rate() -> None:
    assert fixed(recipes.CosineRate())[-3:] == pytest.approx([0] * 3)
    assert fixed(recipes.ExponentialRate(50))[-3:] == pytest.approx([0.3 / 50] * 3)


def test_a_warm_up_rises_linearly_to_the_rate_of_the_schedule() -> None:
    cold, warm = fixed(recipes.CosineRate()), fixed(recipes.CosineRate(warmup=2))
    shares = [(step + 1) / (2 * STEPS) for step in range(2 * STEPS)]
    assert warm[: 2 * STEPS] == pytest.approx([share * rate for share, rate in zip(shares, cold, strict=False)])
    assert warm[2 * STEPS :] == cold[2 * STEPS :]
    half = fixed(recipes.ConstantRate(warmup=0.5))
    assert half[:3] == pytest.approx([0.3 * share / 2.5 for share in (1, 2, 2.5)])
