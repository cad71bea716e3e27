"""The learning rate of an imported solver is Caffe's at every iteration, whatever the size of the training set."""

from __future__ import annotations

from typing import Any

import pytest

from alexc.runtime.recipes import Recipe
from alexc.runtime.training.schedule import schedule_of
from tests.support import caffe_oracle
from tests.support.compiled import names_of
from tests.support.imported import Imported, imported

NET = """
layer { name: "data" type: "Data" top: "data" top: "label"
  transform_param { crop_size: 24 } data_param { batch_size: 32 } }
layer { name: "c" type: "Convolution" bottom: "data" top: "c"
  convolution_param { num_output: 2 kernel_size: 3 weight_filler { type: "msra" } } }
layer { name: "f" type: "InnerProduct" bottom: "c" top: "f"
  inner_product_param { num_output: 3 weight_filler { type: "msra" } } }
layer { name: "s" type: "SoftmaxWithLoss" bottom: "f" bottom: "label" top: "s" }
"""


def solved(solver: str, images: int = 1_281_167) -> Imported:
    return imported({"net.prototxt": NET, "solver.prototxt": f"base_lr: 0.045 {solver}"}, images=images)


def recipe_of(found: Imported) -> Recipe:
    """The recipe of the compiled module."""
    recipe = names_of(found.graph())["RECIPE"]
    assert isinstance(recipe, Recipe)
    return recipe


@pytest.mark.parametrize("steps_per_epoch", [7, 40_037])
@pytest.mark.parametrize("images", [3_200, 1_281_167])  # with 3,200, an epoch has 100 iterations
@pytest.mark.parametrize(
    ("policy", "more"),
    [
        ("fixed", {}),
        ("step", {"size": 300, "gamma": 0.96}),
        ("step", {"size": 3, "gamma": 0.96}),
        ("step", {"size": 1999, "gamma": 0.5}),
        ("step", {"size": 9000, "gamma": 0.1}),
        ("step", {"size": 500, "gamma": 1}),
        ("multistep", {"values": [150, 1300, 2500], "gamma": 0.1}),
        ("multistep", {"values": [1500, 500, 500], "gamma": 0.1}),
        ("multistep", {"values": [500, 1000, 1500], "gamma": 0.3}),
        ("multistep", {"values": [115_000], "gamma": 0.1}),
        ("exp", {"gamma": 0.999}),
        ("exp", {"gamma": 0.9}),
        ("exp", {"gamma": 1.0001}),
        ("inv", {"gamma": 0.0001, "power": 0.75}),
        ("poly", {"power": 0.5}),
    ],
)
def test_the_rate_of_every_iteration_is_caffes(
    policy: str, more: dict[str, Any], images: int, steps_per_epoch: int
) -> None:
    fields = {"size": "stepsize", "values": "stepvalue"}
    text = " ".join(f"{fields.get(name, name)}: {value}" for name, value in more.items())
    found = solved(f'lr_policy: "{policy}" max_iter: 2000 {text}', images)
    assert found.findings == ()
    recipe = recipe_of(found)
    if recipe.epochs is not None:  # written only where these epochs are the same iterations
        assert recipe.epochs * 100 == 2000
        steps_per_epoch = 100
    else:
        assert recipe.iterations == 2000
    schedule = schedule_of(recipe)
    seen = [schedule.rate_at(step, steps_per_epoch) for step in range(2000)]
    assert seen == pytest.approx(caffe_oracle.rates(policy, 0.045, 2000, **more), rel=2e-8, abs=0)


def test_steps_that_are_shorter_than_an_epoch() -> None:
    """Googlenet's solver: 187 steps of 12,800 iterations, each a third of an epoch."""
    recipe = recipe_of(solved('lr_policy: "step" stepsize: 12800 gamma: 0.96 max_iter: 2400000'))
    assert (recipe.epochs, recipe.iterations, recipe.batch) == (None, 2_400_000, 32)
    schedule = schedule_of(recipe)
    for number in range(188):  # the first and the last iteration of each step
        for iteration in (12_800 * number, min(12_800 * number + 12_799, 2_399_999)):
            assert schedule.rate_at(iteration, 40_037) == pytest.approx(0.045 * 0.96**number, rel=1e-9)


def test_a_training_shorter_than_an_epoch_has_caffes_length() -> None:
    found = solved('lr_policy: "step" stepsize: 3000 gamma: 0.1 max_iter: 5000')
    assert "schedule   step every=iterations(3000) divide=10\n" in found.text
    assert "iterations 5000\n" in found.text


def test_what_comes_after_the_end_is_left_out_with_a_note() -> None:
    found = solved('lr_policy: "multistep" stepvalue: 500 stepvalue: 115000 gamma: 0.1 max_iter: 2001')
    assert "schedule   milestones at=iterations(500) divide=10  # in Caffe, also at iterations 115,000, after" in (
        found.text
    )
    found = solved('lr_policy: "step" stepsize: 5000 gamma: 0.1 max_iter: 2001')
    assert "# in Caffe, every 5,000 iterations, after the end" in found.text


def test_a_factor_of_1_is_a_constant_rate() -> None:
    assert "constant" in solved('lr_policy: "step" stepsize: 5000 gamma: 1 max_iter: 60000').text


@pytest.mark.parametrize(
    "field", ["device_id: 0,1", "device_id: 0, 1, 2;", "device_id: [0, 1]", 'test_iter: 10, 20 weights: "a", "b"']
)
def test_lists_in_fields_that_are_not_read(field: str) -> None:
    found = solved(f'lr_policy: "fixed" max_iter: 1000 {field} momentum: 0.9')
    assert found.findings == ()
    assert "momentum=0.9" in found.text
    name = field.partition(":")[0]
    assert f"Left out, because it is not part of a recipe: {name}" in found.text


def test_lists_in_other_fields_need_brackets() -> None:
    found = solved('lr_policy: "multistep" max_iter: 1000 gamma: 0.1 stepvalue: 100, 200')
    assert [(each.code, each.help) for each in found.findings] == [("E0901", "a list needs brackets: `[1, 2]`")]


def test_without_a_length() -> None:
    found = solved('lr_policy: "exp" gamma: 0.999')
    assert [each.code for each in found.findings] == ["W0901"]
    schedule = schedule_of(recipe_of(found))
    seen = [schedule.rate_at(step, 7) for step in range(2000)]
    assert seen == pytest.approx(caffe_oracle.rates("exp", 0.045, 2000, gamma=0.999), rel=1e-6)
