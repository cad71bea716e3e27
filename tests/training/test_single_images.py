"""Batches and parts of one image, which batch normalisation of vectors cannot use, are found before the training."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from torch import Tensor, nn

from alexc.runtime.errors import UserError
from alexc.runtime.parallel.rank import alone
from alexc.runtime.recipes import Recipe
from alexc.runtime.training.checks import check_single_images
from alexc.runtime.training.plan import checked_plan
from alexc.runtime.training.settings import Settings
from tests.support import tiny_training as tiny


class Head(nn.Module):
    """A network with two heads. One of them exists only in training, and normalises a vector."""

    def __init__(self, vector: bool) -> None:
        super().__init__()
        self.maps = nn.BatchNorm2d(3)
        self.vector = nn.BatchNorm1d(12) if vector else nn.Identity()
        self.fc = nn.Linear(12, 2)

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        x = self.maps(x).flatten(1)
        return (self.fc(x), self.fc(self.vector(x))) if self.training else self.fc(x)


def message(images: int, batch: int, accumulate: int = 1, freeze: tuple[str, ...] = (), vector: bool = True) -> str:
    settings = Settings(cast("Recipe", SimpleNamespace(batch=batch)), None, None, 0, freeze, accumulate, 1)
    network = Head(vector)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    try:
        check_single_images(network, (3, 2, 2), settings, images)
    except UserError as error:
        return str(error)
    finally:
        assert all(value.equal(before[name]) for name, value in network.state_dict().items())
    return ""


@pytest.mark.parametrize(
    ("images", "batch", "accumulate", "expected"),
    [
        (24, 23, 1, "24 images in batches of 23: the last batch has 1 image, and batch normalisation in vector needs"),
        (24, 23, 1, "give another --batch, such as 22, or another number of training images"),
        (24, 22, 1, ""),
        (24, 1, 1, "24 images in batches of 1: a batch of 1 has 1 image"),
        (24, 1, 1, "--batch, such as 2,"),
        (25, 5, 4, "with --accumulate 4, a part of a batch of 5 has 1 image"),
        (26, 8, 4, "with --accumulate 4, a part of the last batch has 1 image"),
        (24, 8, 4, ""),
        (1, 1, 1, "give another --batch, or another number of training images"),
    ],
)
def test_a_single_image_is_told_with_both_numbers(images: int, batch: int, accumulate: int, expected: str) -> None:
    found = message(images, batch, accumulate)
    assert expected in found
    assert bool(found) == bool(expected)


def test_frozen_layers_and_layers_that_see_more_values_do_not_matter() -> None:
    assert message(24, 23, freeze=("vector",)) == ""
    assert message(24, 23, vector=False) == ""


@pytest.mark.slow
def test_a_training_does_not_begin(tmp_path: Path) -> None:
    network = tiny.write_network(
        tmp_path,
        ("nn.BatchNorm2d(6)", "nn.BatchNorm1d(216)"),
        ("self.norm(self.conv(x / 64)).relu()", "self.conv(x / 64).relu()"),
        ("self.torchs_drop(self.drop(x.flatten(1)))", "self.norm(x.flatten(1))"),
    )
    asked = replace(tiny.options(network, tiny.make_store(tmp_path), tmp_path / "run"), batch=25)
    with pytest.raises(UserError, match="26 images in batches of 25: the last batch has 1 image"):
        checked_plan(asked, alone())
