"""The learning rate of each parameter: schedules of weights and biases, layers that are slowed or frozen, and noise."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import nn

from alexc.compiler.files.pytorch import write_pytorch
from alexc.compiler.net.spec_text import recipe_texts
from alexc.compiler.pipeline import check_text
from alexc.runtime import recipes
from alexc.runtime.errors import UserError
from alexc.runtime.training.base_optimizer import parameter_groups
from alexc.runtime.training.rates import Rates
from alexc.runtime.training.sgd import MomentumSGD
from tests.support import tiny_training as tiny

EPOCHS, STEPS = 6, 10
BASE = 0.01


class Two(nn.Module):
    """Two layers; the biases of the first have twice the rate."""

    multipliers: ClassVar[dict[str, tuple[float, float]]] = {"one.bias": (2.0, 0.0)}

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Linear(2, 2, dtype=torch.float64)
        self.two = nn.Linear(2, 2, dtype=torch.float64)


def rates_of(recipe: recipes.Recipe, seed: int = 0) -> list[dict[str, float]]:
    """The rate of each parameter at every step."""
    network, rates = Two(), Rates(recipe, seed)
    optimizer = MomentumSGD(parameter_groups(network, rates), BASE, 0.9, 0.0)
    names = {parameter: name for name, parameter in network.named_parameters()}
    found = []
    for step in range(EPOCHS * STEPS):
        optimizer.set_rates(rates, step, STEPS)
        groups = optimizer.param_groups
        found.append({names[each]: group["lr"] for group in groups for each in group["params"]})
        assert optimizer.rate == rates.schedule.rate_at(step, STEPS)
    return found


def recipe(
    schedule: recipes.Schedule,
    biases: recipes.FixedRule | None = None,
    *layers: recipes.SlowLayer | recipes.FreezeLayer,
) -> recipes.Recipe:
    return recipes.Recipe(
        (),
        (),
        recipes.CenterView(8),
        recipes.CrossEntropy(),
        recipes.SGD(BASE),
        schedule,
        1,
        EPOCHS,
        bias_schedule=biases,
        layers=layers,
    )


def dexp(done: float, divide: float, steps: int) -> float:
    """`dexp` of 2012 as the author's program computes it."""
    part = next(part for part in range(steps) if done <= (part + 1) / steps)
    return float(BASE * divide ** (-part / (steps - 1)))


def jdexp(done: float, divide: float, steps: int) -> float:
    """`jdexp` of 2012."""
    part = next(part for part in range(steps) if done <= (part + 1) / steps)
    rates = [BASE * divide ** (-each / (steps - 1)) for each in (part - 1, part)]
    jump = part > 0 and 0.2 < done < 0.9 and done > (part + 0.5) / steps
    return float(math.sqrt(rates[0] * rates[1]) if jump else rates[1])


FORMULAS: dict[str, tuple[recipes.FixedRule, Callable[[float], float]]] = {
    "constant": (recipes.ConstantRate(), lambda done: BASE),
    "linear": (recipes.LinearRate(divide=1000), lambda done: BASE * (1 - done) + BASE * done / 1000),
    "exp": (recipes.ExponentialRate(divide=1000), lambda done: BASE * 1000**-done),
    "dexp": (recipes.DiscreteExponentialRate(divide=250, steps=4), lambda done: dexp(done, 250, 4)),
    "dexp of 3": (recipes.DiscreteExponentialRate(divide=100, steps=3), lambda done: dexp(done, 100, 3)),
    "jdexp": (recipes.DiscreteExponentialRate(divide=250, steps=4, jumps="yes"), lambda done: jdexp(done, 250, 4)),
}


@pytest.mark.parametrize("of_biases", FORMULAS)
@pytest.mark.parametrize("of_weights", FORMULAS)
def test_weights_and_biases_follow_their_own_schedules_at_every_step(of_weights: str, of_biases: str) -> None:
    (rule, weights), (bias_rule, biases) = FORMULAS[of_weights], FORMULAS[of_biases]
    for step, found in enumerate(rates_of(recipe(rule, bias_rule))):
        done = step / (EPOCHS * STEPS)
        assert found["one.weight"] == found["two.weight"] == pytest.approx(weights(done), rel=1e-13)
        assert found["two.bias"] == pytest.approx(biases(done), rel=1e-13)
        assert found["one.bias"] == 2 * found["two.bias"]


def test_biases_follow_the_schedule_of_the_weights_unless_they_have_their_own() -> None:
    assert all(len(set(found.values())) == 2 for found in rates_of(recipe(recipes.CosineRate())))
    groups = parameter_groups(Two(), Rates(recipe(recipes.CosineRate()), 0))
    assert len(groups) == 2  # by multipliers only


def test_biases_keep_their_schedule_beside_one_that_follows_the_validation() -> None:
    rule = recipes.Plateau("val_error", divide=10, times=3)
    for step, found in enumerate(rates_of(recipe(rule, recipes.LinearRate(divide=10)))):
        done = step / (EPOCHS * STEPS)
        assert found["two.weight"] == BASE
        assert found["two.bias"] == pytest.approx(BASE * (1 - 0.9 * done), rel=1e-13)


def test_a_layer_is_slowed_after_an_epoch() -> None:
    slow = (recipes.SlowLayer("one", 2, 10), recipes.SlowLayer("one", 4, 5), recipes.SlowLayer("two", 5, 2))
    for step, found in enumerate(rates_of(recipe(recipes.ConstantRate(), None, *slow))):
        first = BASE / (1 if step < 20 else 10 if step < 40 else 50)
        second = BASE / (1 if step < 50 else 2)
        wanted = {"one.weight": first, "one.bias": 2 * first, "two.weight": second, "two.bias": second}
        assert found == pytest.approx(wanted, rel=1e-13)


def test_noise_multiplies_the_rate_of_each_tensor_by_its_own_draw() -> None:
    """1 + s |z| with z from N(0, 1): the mean of |z| is sqrt(2 / pi)."""
    noisy = recipe(recipes.LinearRate(divide=10, noise=0.5), recipes.ConstantRate())
    drawn = {"one.weight": [], "two.weight": []}  # type: dict[str, list[float]]
    for seed in range(20):
        for step, found in enumerate(rates_of(noisy, seed)):
            assert (found["one.bias"], found["two.bias"]) == (2 * BASE, BASE)
            for name in drawn:
                factor = found[name] / (BASE * (1 - 0.9 * step / (EPOCHS * STEPS)))
                assert factor >= 1 - 1e-12
                drawn[name].append((factor - 1) / 0.5)
    first, second = drawn.values()
    assert np.mean(first) == pytest.approx(math.sqrt(2 / math.pi), abs=0.06)
    assert np.mean(np.square(second)) == pytest.approx(1, abs=0.1)
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.1
    assert rates_of(noisy, 3) == rates_of(noisy, 3)
    assert rates_of(noisy, 3) != rates_of(noisy, 4)


SPEC = """
network N {
  input 3x16x16
  block_one: stage
  fc: linear 4 -> softmax
}
block stage() {
  conv1: conv 4 kernel=3 -> batchnorm -> relu
}
train {
  prepare   resize 20 -> center_crop 20 -> subtract mean_image
  test      center 16
  loss      cross_entropy
  optimizer sgd lr=0.01
  schedule  linear divide=1 noise=1
  bias_schedule discrete_exponential divide=10 steps=2 jumps=yes warmup=3
  layers    slow block_one.conv1 after=2 divide=10 -> freeze block_one.conv1.batchnorm after=4
  batch     8
  epochs    6
}
"""


def test_the_statements_reach_the_runtime() -> None:
    checked = check_text(SPEC, "n.net")
    assert checked.graph is not None, checked.diagnostics
    texts = recipe_texts(checked.graph.net.recipe)  # type: ignore[arg-type]
    assert texts["bias_schedule"] == "discrete_exponential divide=10 steps=2 jumps=yes warmup=3"
    slow, freeze = "slow block_one.conv1 after=2 divide=10", "freeze block_one.conv1.batchnorm after=4"
    assert texts["layers"] == f"{slow} -> {freeze}"
    text = write_pytorch(checked.graph, "n.net")
    made: dict[str, recipes.Recipe] = {}
    exec(text, made)
    found = made["RECIPE"]
    assert found.schedule == recipes.LinearRate(divide=1, noise=1)
    assert found.bias_schedule == recipes.DiscreteExponentialRate(divide=10, steps=2, jumps="yes", warmup=3)
    assert found.layers == (
        recipes.SlowLayer("block_one_conv1", 2, 10),
        recipes.FreezeLayer("block_one_conv1_batchnorm", 4),
    )


@pytest.mark.parametrize(
    ("layer", "message"),
    [("block_one.conv2", "names `block_one.conv2`, which is no layer"), ("block_one.conv1.relu", "is no layer")],
)
def test_layers_that_a_recipe_names_must_have_weights(layer: str, message: str) -> None:
    checked = check_text(SPEC.replace("slow block_one.conv1 ", f"slow {layer} "), "n.net")
    (problem,) = checked.diagnostics
    assert (problem.code, problem.span.text[:4]) == ("E0501", "slow")
    assert message in problem.headline
    assert "block_one.conv1" in problem.help


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rates")
    tiny.make_store(folder)
    return folder


def test_a_frozen_layer_stays_as_it_is_then(home: Path, tmp_path: Path) -> None:
    """The weights, their velocities and the running statistics; also after --resume, and the other layer goes on."""
    schedule = 'schedule=Plateau(of="val_loss", divide=2.0, times=3, patience=1, least=10.0),'
    later = 'layers=(FreezeLayer("conv", after=1), FreezeLayer("norm", after=1), SlowLayer("fc", after=1, divide=2)),'
    path = tiny.write_network(tmp_path, (schedule, f"schedule=ConstantRate(), {later}"))
    asked = tiny.options(path, home / "store", tmp_path / "run", epochs=3)
    tiny.run_to(asked, steps=tiny.STEPS_PER_EPOCH)
    before = tiny.checkpoint(tmp_path / "run" / "last.pt")
    tiny.run_to(tiny.options(path, home / "store", tmp_path / "run", resume=True))
    after = tiny.checkpoint(tmp_path / "run" / "last.pt")
    for found, wanted in (
        (after["weights"], before["weights"]),
        (after["optimizer"]["velocity"], before["optimizer"]["velocity"]),
    ):
        for name, value in found.items():
            assert torch.equal(value, wanted[name]) is not name.startswith("fc"), name
    tiny.run_to(tiny.options(path, home / "store", tmp_path / "whole", epochs=3))
    tiny.assert_same_run(tmp_path / "run", tmp_path / "whole")


def test_layers_of_a_hand_written_recipe_must_be_there(home: Path, tmp_path: Path) -> None:
    path = tiny.write_network(tmp_path, ("    batch=8,", '    layers=(FreezeLayer("cnv", after=1),), batch=8,'))
    with pytest.raises(UserError, match=r"the recipe's `layers` names cnv: .* did you mean conv\?"):
        tiny.run_to(tiny.options(path, home / "store", tmp_path / "run"))
