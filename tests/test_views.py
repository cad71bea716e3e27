"""Views against torchvision's crops and mirrors, and against the paper's formulas in float64."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torchvision.transforms.v2 import functional as tv  # type: ignore[import-untyped]

from alexc.runtime import recipe
from alexc.runtime.data.dataset_facts import DatasetFacts
from alexc.runtime.data.draws import Purpose, epoch_order, generator
from alexc.runtime.data.store import Geometry
from alexc.runtime.data.views import Renderer, TrainingViews, View, central_view, ten_views, views_for_test

STORED, SIZE = 40, 27
PIXELS = np.random.default_rng(3)
IMAGE = PIXELS.integers(0, 256, (STORED, STORED, 3), dtype=np.uint8)
MEAN = PIXELS.uniform(0, 255, (STORED, STORED, 3))
LIGHT = PIXELS.uniform(0, 1, (500, 3)) @ np.array([[1.0, 0.9, 0.8], [0.0, 0.2, 0.1], [0.0, 0.0, 0.1]])
COVARIANCE = np.cov(LIGHT.T)
EIGENVALUES, EIGENVECTORS = (part[..., ::-1] for part in np.linalg.eigh(COVARIANCE))
FACTS = DatasetFacts(("a",), Geometry(STORED, STORED), MEAN, EIGENVALUES, EIGENVECTORS, "x")
AUGMENT = (recipe.RandomCrop(SIZE), recipe.Mirror(), recipe.PCAColor(0.1))


def rendered(view: View, size: int = SIZE) -> NDArray[np.float32]:
    out = np.full((size, size, 3), np.nan, np.float32)
    Renderer(size, MEAN).render(IMAGE, view, out)
    return out


def difference() -> torch.Tensor:
    """(3, H, W), float64: the image minus the mean, as section 2 has it."""
    return torch.from_numpy(IMAGE.astype(np.float64) - MEAN).permute(2, 0, 1)


def assert_shows(view: View, expected: torch.Tensor) -> None:
    size = expected.shape[-1]
    torch.testing.assert_close(
        torch.from_numpy(rendered(view, size)).permute(2, 0, 1).double(), expected, rtol=0, atol=1e-4
    )


@pytest.mark.parametrize(("top", "left", "mirrored"), list(product((0, 5, 13), (0, 6, 13), (False, True))))
def test_mean_is_cut_and_mirrored_with_the_image(top: int, left: int, mirrored: bool) -> None:
    expected = tv.crop(difference(), top, left, SIZE, SIZE)
    assert_shows(View(top, left, mirrored), tv.hflip(expected) if mirrored else expected)


def test_color_is_added_everywhere() -> None:
    expected = tv.crop(difference(), 1, 2, SIZE, SIZE) + torch.tensor([10.0, -20.0, 30.5]).view(3, 1, 1)
    assert_shows(View(1, 2, color=(10, -20, 30.5)), expected)
    assert_shows(View(1, 2, True, (10, -20, 30.5)), tv.hflip(expected))


@pytest.mark.parametrize("size", [27, 28, 39, 40])
def test_ten_views_are_five_crops_and_their_reflections(size: int) -> None:
    # torchvision's ten_crop cuts the reflected image, whose centre is another window where the rest is odd.
    five = tv.five_crop(difference(), [size, size])
    crops = [*five, *(tv.hflip(crop) for crop in five)]
    views = ten_views(STORED, size)
    assert len(views) == 10
    for view, crop in zip(views, crops, strict=True):
        assert_shows(view, crop)
    assert_shows(central_view(STORED, size), tv.center_crop(difference(), [size, size]))


def test_a_recipe_names_its_test_views() -> None:
    assert views_for_test(recipe.TenCrop(SIZE), STORED) == ten_views(STORED, SIZE)
    assert views_for_test(recipe.CenterView(SIZE), STORED) == (central_view(STORED, SIZE),)


def test_views_are_functions_of_seed_epoch_and_image() -> None:
    one, other = (TrainingViews(AUGMENT, FACTS, SIZE, seed=7) for _ in range(2))
    plan = [(epoch, image) for epoch in range(3) for image in range(50)]
    forwards = {key: one.view(*key) for key in plan}
    backwards = {key: other.view(*key) for key in reversed(plan)}
    assert forwards == backwards
    assert len(set(forwards.values())) == len(plan)
    assert all(
        TrainingViews(AUGMENT, FACTS, SIZE, seed=8).view(*key) != view for key, view in list(forwards.items())[:9]
    )


def test_windows_and_mirrors_are_spread_evenly() -> None:
    views = [TrainingViews(AUGMENT, FACTS, SIZE, 1).view(0, image) for image in range(4000)]
    places = STORED - SIZE + 1
    for values in ([view.top for view in views], [view.left for view in views]):
        counts = np.bincount(values, minlength=places)
        assert len(counts) == places
        chi_squared = float(((counts - 4000 / places) ** 2 / (4000 / places)).sum())
        assert chi_squared < 34.5  # 13 degrees of freedom: one in a thousand lies above
    assert abs(np.mean([view.mirrored for view in views]) - 0.5) < 0.03
    assert abs(np.corrcoef([view.top for view in views], [view.left for view in views])[0, 1]) < 0.06


@pytest.mark.parametrize("by", ["eigenvalue", "stddev"])
def test_color_noise_has_the_papers_distribution(by: str) -> None:
    """p (a * lambda): covariance P diag((0.1 * lambda)^2) P^T on the 0..1 scale, and mean zero."""
    noise = recipe.PCAColor(0.1, "eigenvalue" if by == "eigenvalue" else "stddev")
    views = TrainingViews((noise,), FACTS, SIZE, seed=5)
    draws = np.array([views.view(2, image).color for image in range(8000)]) / 255
    weight = EIGENVALUES if by == "eigenvalue" else np.sqrt(EIGENVALUES)
    expected = sum((0.1 * weight[i]) ** 2 * np.outer(EIGENVECTORS[:, i], EIGENVECTORS[:, i]) for i in range(3))
    np.testing.assert_allclose(np.cov(draws.T), expected, atol=0.06 * np.abs(expected).max())
    assert np.abs(draws.mean(0)).max() < 4 * np.sqrt(np.max(expected) / 8000)
    # Along each component on its own: the weak ones would drown in the strongest above.
    along = draws @ EIGENVECTORS
    np.testing.assert_allclose(along.std(0), 0.1 * weight, rtol=0.05)


def test_without_augmentation_the_view_is_the_central_one() -> None:
    views = TrainingViews((), FACTS, SIZE, seed=5)
    assert {views.view(epoch, image) for epoch in range(4) for image in range(9)} == {central_view(STORED, SIZE)}


def test_parts_of_a_recipe_draw_independently() -> None:
    whole, crop_only = TrainingViews(AUGMENT, FACTS, SIZE, 3), TrainingViews(AUGMENT[:1], FACTS, SIZE, 3)
    for image in range(20):
        one, other = whole.view(1, image), crop_only.view(1, image)
        assert (one.top, one.left) == (other.top, other.left)
        assert (other.mirrored, other.color) == (False, (0, 0, 0))


@pytest.mark.parametrize(("probability", "share"), [(0.0, 0.0), (1.0, 1.0), (0.25, 0.25)])
def test_mirror_probability(probability: float, share: float) -> None:
    views = TrainingViews((recipe.Mirror(probability),), FACTS, SIZE, 3)
    assert np.mean([views.view(0, image).mirrored for image in range(2000)]) == pytest.approx(share, abs=0.04)


def test_order_is_a_permutation_of_its_own_for_every_epoch_and_seed() -> None:
    orders = [epoch_order(seed, epoch, 100).tolist() for seed in (0, 1) for epoch in range(3)]
    assert all(sorted(order) == list(range(100)) for order in orders)
    assert len({tuple(order) for order in orders}) == len(orders)
    assert epoch_order(1, 2, 100).tolist() == orders[-1]


def test_purposes_draw_different_numbers() -> None:
    assert generator(1, Purpose.ORDER, 0).random() != generator(1, Purpose.VIEW, 0).random()
