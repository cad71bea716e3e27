"""Every augmentation of the language has its class in the runtime, and changes the pixels that a network sees."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from alexc.compiler.pipeline import check_text
from alexc.compiler.recipe.augmentation import augmentations
from alexc.compiler.recipe.steps import runtime_module
from alexc.runtime.augmentations.augmentation import Augmentation
from alexc.runtime.augmentations.mirror import Mirror
from alexc.runtime.augmentations.pca_color import PCAColor
from alexc.runtime.augmentations.random_crop import RandomCrop
from alexc.runtime.data.dataset_statistics import DatasetStatistics
from alexc.runtime.data.store import Geometry
from alexc.runtime.data.views import Renderer, TrainingViews
from tests.support.compiled import names_of
from tests.support.drawn_views import views_of

STORED, SIZE, IMAGES = 24, 16, 20
AS_WRITTEN = {
    "random_crop": f"random_crop {SIZE}",
    "random_resized_crop": f"random_resized_crop {SIZE}",
    "mirror": "mirror",
    "color_jitter": "color_jitter brightness=0.4",
    "pca_color": "pca_color 0.1",
    "cutout": "cutout 4",
}
SPEC = f"""
network Net {{
  input 3x{SIZE}x{SIZE}
  linear 4 -> softmax
}}

train {{
  prepare   resize {STORED} -> center_crop {STORED}
  augment   %s
  test      center {SIZE}
  loss      cross_entropy
  optimizer sgd lr=0.01
  schedule  constant
  batch     4
  epochs    1
}}
"""


def steps_of(augment: str) -> tuple[Augmentation, ...]:
    """The steps that a compiled file has for `augment`."""
    checked = check_text(SPEC % augment, "net.net")
    assert checked.graph is not None, checked.diagnostics
    steps: tuple[Augmentation, ...] = names_of(checked.graph)["RECIPE"].augment
    return steps


def shown(augment: tuple[Augmentation, ...]) -> list[NDArray[np.float32]]:
    """Each image as the network sees it in the first epoch."""
    draw = np.random.default_rng(1)
    statistics = DatasetStatistics(
        classes=("a", "b"),
        geometry=Geometry(STORED, STORED),
        mean_image=np.zeros((STORED, STORED, 3)),
        eigenvalues=np.array([0.2, 0.1, 0.05]),
        eigenvectors=np.eye(3),
        identity="",
    )
    views, renderer = TrainingViews(augment, statistics, SIZE, seed=3), Renderer(SIZE, statistics.mean_image)
    images = draw.integers(0, 256, (IMAGES, STORED, STORED, 3), dtype=np.uint8)
    made = [np.empty((SIZE, SIZE, 3), np.float32) for _ in images]
    for image, view, out in zip(images, views_of(views, 0, IMAGES), made, strict=True):
        renderer.render(image, view, out)
    return made


def test_every_augmentation_is_tried_here() -> None:
    assert set(AS_WRITTEN) == {step.keyword for step in augmentations()}


@pytest.mark.parametrize("step", augmentations(), ids=lambda step: step.keyword)
def test_it_changes_what_the_network_sees(step: Any) -> None:  # noqa: ANN401
    (made,) = steps_of(AS_WRITTEN[step.keyword])
    assert type(made).__module__ == runtime_module(step)
    assert (made.scales, made.view_size is None) == (step.scales, step(**vars(made)).view_size is None)
    changed = [not np.array_equal(one, other) for one, other in zip(shown((made,)), shown(()), strict=True)]
    assert sum(changed) > IMAGES / 4


def test_the_steps_of_2012_as_they_are_written() -> None:
    written = f"random_crop {SIZE} group=32 -> mirror group=32 -> pca_color 0.1 by=stddev until=68 rescale=yes"
    assert steps_of(written) == (RandomCrop(SIZE, 32), Mirror(group=32), PCAColor(0.1, "stddev", 68, "yes"))


def test_each_draws_at_a_place_of_its_own() -> None:
    orders = [type(made).draw_order for keyword in AS_WRITTEN.values() for made in steps_of(keyword)]
    assert len(set(orders)) == len(orders)
