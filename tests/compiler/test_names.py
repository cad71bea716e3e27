"""The check of names."""

from __future__ import annotations

import keyword

import pytest
from torch import nn

from alexc.compiler.layers.arguments import Iterations
from alexc.compiler.net.name_check import FILE_NAMES, MODULE_ATTRIBUTES, objection
from alexc.compiler.recipe.steps import CHOICES
from tests.conftest import ROOT


def test_every_public_attribute_of_a_module_is_refused() -> None:
    public = {name for name in dir(nn.Module()) if not name.startswith("_")}
    assert public <= MODULE_ATTRIBUTES


def test_every_name_that_a_generated_file_imports_is_refused() -> None:
    for path in (ROOT / "generated").glob("*.py"):
        scope: dict[str, object] = {"__name__": "imported"}
        exec(path.read_text(), scope)  # our own file
        own = {name for name, value in scope.items() if isinstance(value, type) and value.__module__ == "imported"}
        bound = {name for name in scope if not name.startswith("_")} - own
        assert bound <= FILE_NAMES


def test_every_name_that_a_recipe_may_import_is_refused() -> None:
    for steps in CHOICES.values():
        for step in steps:
            assert objection(step.__name__), step
    assert objection(Iterations.__name__)


REFUSED = ["print", "open", "forward", "__init__", "_x", "x__y", "1x", "a-b", "a.b", "é", "ａ", "а", "Tensor", "F"]


@pytest.mark.parametrize("name", [*keyword.kwlist, *keyword.softkwlist, *REFUSED, "", "a b", "a" * 65])
def test_refused(name: str) -> None:
    assert objection(name)


@pytest.mark.parametrize("name", ["conv1", "AlexNet", "fc6", "a", "a_b", "a" * 64, "Conv", "stem2"])
def test_accepted_names(name: str) -> None:
    assert objection(name) == ""
