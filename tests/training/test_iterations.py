"""Recipes that count iterations: the length of the training, and the schedule across a stop."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from alexc.compiler.net.spec_text import recipe_texts
from alexc.compiler.pipeline import check_file, check_text
from alexc.runtime import recipes
from alexc.runtime.errors import UserError
from alexc.runtime.training.schedule import schedule_of
from tests.support import tiny_training as tiny

STEPS = 6  # an epoch and a half
SCHEDULE = 'schedule=Plateau(of="val_loss", divide=2.0, times=3, patience=1, least=10.0),'
HALVED = (SCHEDULE, "schedule=StepRate(every=Iterations(3), divide=2.0, warmup=Iterations(2)),")
LENGTH = ("epochs=3,", f"iterations={STEPS},")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.make_store(tmp_path_factory.mktemp("iterations"))


@pytest.mark.slow
def test_it_ends_after_the_iterations_and_a_stop_within_an_epoch_changes_nothing(store: Path, tmp_path: Path) -> None:
    path = tiny.write_network(tmp_path, HALVED, LENGTH)
    tiny.run_to(tiny.options(path, store, tmp_path / "whole"))
    tiny.run_to(tiny.options(path, store, tmp_path / "stopped"), 2)
    for step in (5, None):  # within the epoch that is cut, and to the end
        tiny.run_to(tiny.options(path, store, tmp_path / "stopped", resume=True), step)
    tiny.assert_same_run(tmp_path / "whole", tmp_path / "stopped")
    records = tiny.metrics(tmp_path / "whole")
    rates = [record["rate"] for record in records if record["kind"] == "step"]
    assert rates == pytest.approx([0.01, 0.02, 0.02, 0.01, 0.01, 0.01])
    assert [record["step"] for record in records if record["kind"] == "epoch"] == [4, 6]
    record = json.loads((tmp_path / "whole" / "run.json").read_text())
    assert (record["epochs"], record["iterations"]) == (2, STEPS)


def test_epochs_on_the_command_line_replace_the_iterations(store: Path, tmp_path: Path) -> None:
    path = tiny.write_network(tmp_path, HALVED, LENGTH)
    tiny.run_to(tiny.options(path, store, tmp_path / "run", epochs=1))
    assert [record["step"] for record in tiny.metrics(tmp_path / "run")][-1] == 4


def test_a_recipe_with_two_lengths_or_none_is_refused(store: Path, tmp_path: Path) -> None:
    for length in ("", "epochs=3, iterations=6,", "iterations=0,"):
        path = tiny.write_network(tmp_path, ("epochs=3,", length))
        with pytest.raises(UserError, match=r"epochs|iterations"):
            tiny.run_to(tiny.options(path, store, tmp_path / "run"))


def rates(rule: recipes.Schedule, count: int) -> list[float]:
    base = recipes.Recipe(
        (), (), recipes.CenterView(8), recipes.CrossEntropy(), recipes.SGD(1.0), rule, 1, iterations=10
    )
    return [schedule_of(base).rate_at(step, 4) for step in range(count)]


def test_the_rates() -> None:
    assert rates(recipes.StepRate(recipes.Iterations(3), 2), 7) == [1, 1, 1, 1 / 2, 1 / 2, 1 / 2, 1 / 4]
    assert rates(recipes.MilestoneRate(recipes.Iterations(1, 5), 2), 7) == [1, *[1 / 2] * 4, 1 / 4, 1 / 4]
    assert rates(recipes.MilestoneRate((1,), 2), 6) == [1, 1, 1, 1, 1 / 2, 1 / 2]  # an epoch has 4 steps
    assert rates(recipes.PolynomialRate(), 12) == pytest.approx([*[1 - step / 10 for step in range(10)], 0, 0])
    assert rates(recipes.ExponentialRate(1024), 3) == pytest.approx([1, 1 / 2, 1 / 4])
    assert rates(recipes.InverseRate(0.5, 2), 3) == pytest.approx([1, 1 / 1.5**2, 1 / 2**2])


def test_a_rate_that_overflows_is_infinite() -> None:
    assert rates(recipes.StepRate(recipes.Iterations(1), 1e-3), 200)[-1] == math.inf


SPEC = """
network Net {{
  input 3x8x8

  c: conv 4 kernel=3 weight=normal(0, 0.01) -> relu
  f: linear 10 -> softmax
}}

train {{
  prepare   resize 8 -> center_crop 8
  test      center 8
  loss      cross_entropy
  optimizer sgd lr=0.01
  schedule  {schedule}
  batch     16
  {length}
}}
"""


@pytest.mark.parametrize(
    "schedule",
    [
        "step every=iterations(12800) divide=1.04166666667",
        "step every=2 divide=10 warmup=iterations(500)",
        "milestones at=iterations(60000, 65000) divide=10",
        "milestones at=epochs(60, 65) divide=10",
        "inverse gamma=0.0001 power=0.75",
    ],
)
@pytest.mark.parametrize("length", ["iterations 2400000", "epochs 9"])
def test_a_spec_says_them(schedule: str, length: str) -> None:
    checked = check_text(SPEC.format(schedule=schedule, length=length), "net.net")
    assert checked.diagnostics == ()
    assert checked.graph is not None
    assert checked.graph.net.recipe is not None
    texts = recipe_texts(checked.graph.net.recipe)
    assert texts["schedule"] == schedule
    word, number = length.split()
    assert {"epochs": texts["epochs"], "iterations": texts["iterations"]} == {
        "epochs": "",
        "iterations": "",
        word: number,
    }


@pytest.mark.parametrize(
    "schedule",
    [
        "step every=iterations(0) divide=2",
        "step every=iterations(3, 4) divide=2",
        "step every=iterations() divide=2",
        "step every=iterations(1.5) divide=2",
        "step every=epochs(3) divide=2",
        "milestones at=iterations(4, 3) divide=2",
        "milestones at=iterations(4, 4) divide=2",
        "milestones at=4 divide=2",
        "constant warmup=iterations(2147483648)",
    ],
)
def test_wrong_iterations(schedule: str) -> None:
    checked = check_text(SPEC.format(schedule=schedule, length="epochs 2"), "net.net")
    assert [each.code for each in checked.diagnostics] == ["E0204"]


def test_a_variant_replaces_the_length(tmp_path: Path) -> None:
    base = SPEC.format(schedule="constant", length="iterations 5000")
    (tmp_path / "base.net").write_text(base)
    (tmp_path / "short.net").write_text(
        'network Short extends "base.net" {\n  c: kernel=5\n}\n\ntrain extends "base.net" {\n  epochs 3\n}\n'
    )
    checked = check_file(tmp_path / "short.net")
    assert checked.graph is not None
    recipe = checked.graph.net.recipe
    assert recipe is not None
    assert (recipe.epochs, recipe.iterations) == (3, None)
