"""Views against torchvision's crops and mirrors, and against the paper's formulas in float64."""

from __future__ import annotations

from dataclasses import astuple
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torchvision.transforms import v2  # type: ignore[import-untyped]

from alexc.runtime import recipes
from alexc.runtime.augmentations.augmentation import ViewSource
from alexc.runtime.augmentations.color_jitter import ColorAdjustment, ColorJitter
from alexc.runtime.augmentations.cutout import Cutout
from alexc.runtime.augmentations.mirror import Mirror
from alexc.runtime.augmentations.pca_color import PCAColor
from alexc.runtime.augmentations.random_crop import RandomCrop
from alexc.runtime.augmentations.random_resized_crop import RandomResizedCrop
from alexc.runtime.augmentations.view import Hole, View
from alexc.runtime.data.dataset_statistics import DatasetStatistics
from alexc.runtime.data.random_streams import Purpose, epoch_order, generator
from alexc.runtime.data.store import Geometry
from alexc.runtime.data.views import Renderer, TrainingViews, central_view, ten_views, views_for_test
from tests.support.drawn_views import views_of

tv: Any = v2.functional
ResizedCrop: Any = v2.RandomResizedCrop
STORED, SIZE = 40, 27
PIXELS = np.random.default_rng(3)
IMAGE = PIXELS.integers(0, 256, (STORED, STORED, 3), dtype=np.uint8)
MEAN = PIXELS.uniform(0, 255, (STORED, STORED, 3))
LIGHT = PIXELS.uniform(0, 1, (500, 3)) @ np.array([[1.0, 0.9, 0.8], [0.0, 0.2, 0.1], [0.0, 0.0, 0.1]])
COVARIANCE = np.cov(LIGHT.T)
EIGENVALUES, EIGENVECTORS = (part[..., ::-1] for part in np.linalg.eigh(COVARIANCE))
FACTS = DatasetStatistics(("a",), Geometry(STORED, STORED), MEAN, EIGENVALUES, EIGENVECTORS, "x")
AUGMENT = (RandomCrop(SIZE), Mirror(), PCAColor(0.1))


def rendered(view: View, size: int = SIZE, central: bool = False) -> NDArray[np.float32]:
    out = np.full((size, size, 3), np.nan, np.float32)
    Renderer(size, MEAN, central=central).render(IMAGE, view, out)
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
    assert views_for_test(recipes.TenCrop(SIZE), STORED) == ten_views(STORED, SIZE)
    assert views_for_test(recipes.CenterView(SIZE), STORED) == (central_view(STORED, SIZE),)


def test_views_are_functions_of_seed_epoch_and_image() -> None:
    """Not of the order, of the number of images, of the rows taken, or of what was drawn before."""
    one, other = (TrainingViews(AUGMENT, FACTS, SIZE, seed=7) for _ in range(2))
    forwards = [views_of(one, epoch, 1500) for epoch in range(3)]
    for epoch in reversed(range(3)):
        order = epoch_order(7, epoch, 1600)
        drawn_again = list(other.of_epoch(epoch, order))
        assert drawn_again[:1500] == forwards[epoch]
        assert list(other.of_epoch(epoch, order).take(order)) == [drawn_again[image] for image in order]
    drawn_views = [astuple(view) for views in forwards for view in views]
    assert len(set(drawn_views)) == len(drawn_views)
    different = views_of(TrainingViews(AUGMENT, FACTS, SIZE, seed=8), 0, 1500)
    assert all(mine != its for mine, its in zip(forwards[0], different, strict=True))


def test_two_steps_of_a_kind_draw_different_numbers() -> None:
    for view in views_of(TrainingViews((Cutout(8), Cutout(8)), FACTS, SIZE, seed=1), 0, 9):
        first, second = view.overlays
        assert first != second


def test_windows_and_mirrors_are_spread_evenly() -> None:
    views = views_of(TrainingViews(AUGMENT, FACTS, SIZE, 1), 0, 4000)
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
    noise = PCAColor(0.1, "eigenvalue" if by == "eigenvalue" else "stddev")
    views = TrainingViews((noise,), FACTS, SIZE, seed=5)
    draws = np.array([view.color for view in views_of(views, 2, 8000)]) / 255
    weight = EIGENVALUES if by == "eigenvalue" else np.sqrt(EIGENVALUES)
    expected = sum((0.1 * weight[i]) ** 2 * np.outer(EIGENVECTORS[:, i], EIGENVECTORS[:, i]) for i in range(3))
    np.testing.assert_allclose(np.cov(draws.T), expected, atol=0.06 * np.abs(expected).max())
    assert np.abs(draws.mean(0)).max() < 4 * np.sqrt(np.max(expected) / 8000)
    # Along each component on its own: the weak ones would drown in the strongest above.
    along = draws @ EIGENVECTORS
    np.testing.assert_allclose(along.std(0), 0.1 * weight, rtol=0.05)


def test_without_augmentation_the_view_is_the_central_one() -> None:
    views = TrainingViews((), FACTS, SIZE, seed=5)
    drawn_views = [view for epoch in range(4) for view in views_of(views, epoch, 9)]
    assert drawn_views == [central_view(STORED, SIZE)] * len(drawn_views)


def test_parts_of_a_recipe_draw_independently() -> None:
    whole, crop_only = TrainingViews(AUGMENT, FACTS, SIZE, 3), TrainingViews(AUGMENT[:1], FACTS, SIZE, 3)
    for one, other in zip(views_of(whole, 1, 20), views_of(crop_only, 1, 20), strict=True):
        assert (one.top, one.left) == (other.top, other.left)
        assert (other.mirrored, other.color) == (False, (0, 0, 0))


@pytest.mark.parametrize(("probability", "share"), [(0.0, 0.0), (1.0, 1.0), (0.25, 0.25)])
def test_mirror_probability(probability: float, share: float) -> None:
    views = TrainingViews((Mirror(probability),), FACTS, SIZE, 3)
    assert np.mean([view.mirrored for view in views_of(views, 0, 2000)]) == pytest.approx(share, abs=0.04)


def test_a_group_of_images_shares_its_crop_and_its_mirroring() -> None:
    """32 images in a row of the order, the rest at the end; the colours are drawn per image."""
    augment = (RandomCrop(SIZE, group=32), Mirror(group=32), PCAColor(0.1))
    views = TrainingViews(augment, FACTS, SIZE, seed=3)
    groups = []
    for epoch in range(40):
        order = epoch_order(3, epoch, 100)
        shown = list(views.of_epoch(epoch, order).take(order))
        assert len({view.color for view in shown}) == 100
        places = [(view.top, view.left, view.mirrored) for view in shown]
        cut = [places[start : start + 32] for start in range(0, 100, 32)]
        assert [len(set(group)) for group in cut] == [1, 1, 1, 1]
        groups += [group[0] for group in cut]
        assert shown == list(views.of_epoch(epoch, order).take(order))
    assert abs(np.mean([mirrored for _, _, mirrored in groups]) - 0.5) < 0.12
    assert len(set(groups)) > 100


def test_groups_of_one_are_the_views_of_single_images() -> None:
    order = epoch_order(3, 5, 60)
    views = TrainingViews(AUGMENT, FACTS, SIZE, seed=3)
    assert list(views.of_epoch(5, order)) == views_of(views, 5, 60)


def test_crops_and_mirroring_can_be_drawn_for_groups_of_different_sizes() -> None:
    order = epoch_order(1, 0, 64)
    views = TrainingViews((RandomCrop(SIZE, group=16), Mirror(group=4)), FACTS, SIZE, seed=1).of_epoch(0, order)
    shown = list(views.take(order))
    crops = [{(view.top, view.left) for view in shown[start : start + 16]} for start in range(0, 64, 16)]
    mirrors = [{view.mirrored for view in shown[start : start + 4]} for start in range(0, 64, 4)]
    assert {len(group) for group in crops + mirrors} == {1}
    assert set().union(*mirrors) == {False, True}


def test_color_noise_ends_at_an_epoch_with_its_rescaling() -> None:
    """(crop - mean + noise) / 1.1 in 68 epochs, then crop - mean."""
    step = PCAColor(0.1, "stddev", until=68, rescale="yes")
    views, plain = (TrainingViews((each,), FACTS, SIZE, 2) for each in (step, PCAColor(0.1, "stddev")))
    center = central_view(STORED, SIZE)
    window = slice(center.top, center.top + SIZE), slice(center.left, center.left + SIZE)
    centred = IMAGE[window].astype(np.float64) - MEAN[window]
    for epoch in (0, 67, 68, 90):
        shift = views_of(plain, epoch, 6)[5].color
        wanted = (centred + shift) / 1.1 if epoch < 68 else centred
        assert max(map(abs, shift)) > 0
        np.testing.assert_allclose(rendered(views_of(views, epoch, 6)[5]), wanted, rtol=1e-5, atol=1e-4)


def test_color_noise_of_2012_has_its_standard_deviations() -> None:
    """0.1 times the standard deviation along each component, divided by 1.1 with the view."""
    deviations = np.array([19.720833049149668, 37.09388853298572, 121.78006099293066])
    source = ViewSource((STORED, STORED), (SIZE, SIZE), (deviations / 255) ** 2, np.eye(3))
    components = PCAColor(0.1, "stddev", until=68, rescale="yes").components(source)
    np.testing.assert_allclose(np.diag(components) / 255 / 1.1, [0.0070306, 0.0132242, 0.0434153], rtol=1e-5)


@pytest.mark.parametrize("view", [View(0, 3), View(7, 1, mirrored=True), central_view(STORED, SIZE)])
def test_the_central_window_of_the_mean_image_is_subtracted_from_every_crop(view: View) -> None:
    center = central_view(STORED, SIZE)
    crop = IMAGE[view.top : view.top + SIZE, view.left : view.left + SIZE].astype(np.float64)
    crop = crop[:, ::-1] if view.mirrored else crop
    wanted = crop - MEAN[center.top : center.top + SIZE, center.left : center.left + SIZE]
    np.testing.assert_allclose(rendered(view, central=True), wanted, rtol=1e-5, atol=1e-4)


def test_order_is_a_permutation_of_its_own_for_every_epoch_and_seed() -> None:
    orders = [epoch_order(seed, epoch, 100).tolist() for seed in (0, 1) for epoch in range(3)]
    assert all(sorted(order) == list(range(100)) for order in orders)
    assert len({tuple(order) for order in orders}) == len(orders)
    assert epoch_order(1, 2, 100).tolist() == orders[-1]


def test_purposes_draw_different_numbers() -> None:
    assert generator(1, Purpose.ORDER, 0).random() != generator(1, Purpose.VIEW, 0).random()


PLAIN = np.broadcast_to(MEAN.mean(axis=(0, 1)), MEAN.shape)


def pil(image: NDArray[np.uint8]) -> Image.Image:
    return Image.fromarray(image)


def drawn(view: View, mean: NDArray[np.float64] = PLAIN, factor: NDArray[np.float64] | None = None) -> torch.Tensor:
    """(3, SIZE, SIZE), float64."""
    out = np.full((SIZE, SIZE, 3), np.nan, np.float32)
    Renderer(SIZE, mean, factor).render(IMAGE, view, out)
    return torch.from_numpy(out.astype(np.float64)).permute(2, 0, 1)


@pytest.mark.parametrize("mirrored", [False, True])
def test_normalized_as_torchvision_does(mirrored: bool) -> None:
    rule = recipes.Normalize()
    image = torch.from_numpy(IMAGE.astype(np.float64) / 255).permute(2, 0, 1)
    expected = tv.crop(tv.normalize(image, list(rule.mean), list(rule.std)), 3, 4, SIZE, SIZE)
    mean = np.broadcast_to(np.array(rule.mean) * 255, MEAN.shape)
    made = drawn(View(3, 4, mirrored), mean, 1 / (255 * np.array(rule.std)))
    torch.testing.assert_close(made, tv.hflip(expected) if mirrored else expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("window", [(20, 35), (27, 27), (40, 40), (5, 9)])
def test_a_window_is_scaled_as_torchvision_scales_it(window: tuple[int, int], mirrored: bool) -> None:
    top, left = 40 - window[0], (40 - window[1]) // 2
    scaled = tv.resized_crop(pil(IMAGE), top, left, *window, [SIZE, SIZE])
    expected = tv.pil_to_tensor(tv.hflip(scaled) if mirrored else scaled).double()
    expected -= torch.from_numpy(PLAIN[0, 0].copy()).view(3, 1, 1)
    torch.testing.assert_close(drawn(View(top, left, mirrored, window=window)), expected, rtol=0, atol=1e-4)


def area_and_shape(windows: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Of windows (N, 2), height and width: the share of the image, and the logarithm of width / height."""
    return windows[:, 0] * windows[:, 1] / STORED**2, np.log(windows[:, 1] / windows[:, 0])


def test_windows_are_drawn_as_torchvision_draws_them() -> None:
    """Means and deviations of area and shape over many draws; no window leaves the image."""
    rule = RandomResizedCrop(SIZE, smallest=0.2, aspect=1.5)
    views = TrainingViews((rule,), FACTS, SIZE, seed=1)
    ours = views_of(views, 0, 4000)
    windows = np.array([view.window for view in ours], float)
    assert all(view.top + h <= STORED and view.left + w <= STORED for view, (h, w) in zip(ours, windows, strict=True))
    torch.manual_seed(0)
    crop, image = ResizedCrop(SIZE, (0.2, 1.0), (1 / 1.5, 1.5)), torch.zeros(3, STORED, STORED)
    drawn_by_torchvision = [crop.make_params([image]) for _ in range(4000)]
    theirs = np.array([(each["height"], each["width"]) for each in drawn_by_torchvision], float)
    for ours_here, theirs_here in zip(*(area_and_shape(each) for each in (windows, theirs)), strict=True):
        assert ours_here.mean() == pytest.approx(theirs_here.mean(), abs=0.015)
        assert ours_here.std() == pytest.approx(theirs_here.std(), abs=0.015)


@pytest.mark.parametrize("window", [None, (30, 20)])
def test_colors_are_changed_as_torchvision_changes_them(window: tuple[int, int] | None) -> None:
    jitter = tuple(
        ColorAdjustment(f"adjust_{name}", amount)
        for name, amount in (("hue", 0.2), ("brightness", 1.3), ("saturation", 0.6), ("contrast", 1.4))
    )
    image = tv.crop(pil(IMAGE), 2, 3, *(window or (SIZE, SIZE)))
    image = image if window is None else tv.resize(image, [SIZE, SIZE])
    image = tv.adjust_brightness(tv.adjust_hue(image, 0.2), 1.3)
    image = tv.adjust_contrast(tv.adjust_saturation(image, 0.6), 1.4)
    expected = tv.pil_to_tensor(image).double() - torch.from_numpy(PLAIN[0, 0].copy()).view(3, 1, 1)
    torch.testing.assert_close(drawn(View(2, 3, window=window, adjustments=jitter)), expected, rtol=0, atol=1e-4)


def test_the_amounts_and_the_order_of_jitter_are_drawn() -> None:
    views = TrainingViews((ColorJitter(0.4, 0.3, 0.0, 0.1),), FACTS, SIZE, seed=2)
    drawn_amounts = [
        [(each.function, each.amount) for each in view.adjustments if isinstance(each, ColorAdjustment)]
        for view in views_of(views, 0, 600)
    ]
    assert {len(jitter) for jitter in drawn_amounts} == {3}
    assert len({tuple(name for name, _ in jitter) for jitter in drawn_amounts}) == 6
    for name, low, high in (("brightness", 0.6, 1.4), ("contrast", 0.7, 1.3), ("hue", -0.1, 0.1)):
        amounts = [dict(jitter)[f"adjust_{name}"] for jitter in drawn_amounts]
        assert low <= min(amounts) < low + 0.03 * (high - low)
        assert high - 0.03 * (high - low) < max(amounts) <= high


def test_cutout_blanks_a_square_that_may_lie_partly_outside() -> None:
    views = TrainingViews((Cutout(8),), FACTS, SIZE, seed=3)
    whole = drawn(views_for_test(recipes.CenterView(SIZE), STORED)[0])
    shares = []
    for view in views_of(views, 0, 300):
        (hole,) = view.overlays
        assert isinstance(hole, Hole)
        top, left, bottom, right = hole.top, hole.left, hole.bottom, hole.right
        made, expected = drawn(view), whole.clone()
        expected[:, top:bottom, left:right] = 0
        torch.testing.assert_close(made, expected, rtol=0, atol=1e-4)
        shares.append((bottom - top) * (right - left) / SIZE**2)
    # In each direction the mean length is 8 less what hangs over: 4+3+2+1 at one end, 3+2+1 at the other.
    assert np.mean(shares) == pytest.approx(((8 - 16 / SIZE) / SIZE) ** 2, rel=0.05)
    assert max(shares) == 64 / SIZE**2


def test_further_steps_leave_the_draws_of_the_paper_as_they_are() -> None:
    more = (
        RandomCrop(SIZE),
        Mirror(),
        ColorJitter(0.5),
        PCAColor(0.1),
        Cutout(5),
    )
    drawn_views = (views_of(TrainingViews(augment, FACTS, SIZE, seed=4), 1, 20) for augment in (AUGMENT, more))
    for one, other in zip(*drawn_views, strict=True):
        assert (one.top, one.left, one.mirrored, one.color) == (other.top, other.left, other.mirrored, other.color)


@pytest.mark.parametrize("sizes", [(40,), (27, 40, 55), (31, 64), (4096,)])
def test_scaled_crops_are_ten_crops_of_a_smaller_or_larger_image(sizes: tuple[int, ...]) -> None:
    """Windows cut and scaled by PIL; at the size of the store they are the ten crops themselves."""
    views = views_for_test(recipes.ScaledCrops(SIZE, sizes), STORED)
    assert len(views) == 10 * len(sizes)
    made = iter([drawn(view) for view in views])
    color = torch.from_numpy(PLAIN[0, 0].copy()).view(3, 1, 1)
    for size in sizes:
        side = max(1, round(SIZE * STORED / size))
        end, middle = STORED - side, round((STORED - side) / 2)
        corners = [(0, 0), (end, 0), (0, end), (end, end), (middle, middle)]  # left and top, as PIL counts
        crops = [
            pil(IMAGE).crop((left, top, left + side, top + side)).resize((SIZE, SIZE), Image.Resampling.BILINEAR)
            for left, top in corners
        ]
        crops += [crop.transpose(Image.Transpose.FLIP_LEFT_RIGHT) for crop in crops]
        for crop in crops:
            expected = tv.pil_to_tensor(crop).double() - color
            torch.testing.assert_close(next(made), expected, rtol=0, atol=1e-4)
    if sizes == (STORED,):
        assert views == ten_views(STORED, SIZE)


@pytest.mark.parametrize(("steps", "places"), [(1, [6]), (2, [0, 13]), (3, [0, 6, 13]), (14, list(range(14)))])
def test_a_grid_of_views_reaches_from_edge_to_edge(steps: int, places: list[int]) -> None:
    views = views_for_test(recipes.GridCrop(SIZE, steps), STORED)
    expected = [(top, left, mirrored) for mirrored in (False, True) for top in places for left in places]
    assert [(view.top, view.left, view.mirrored) for view in views] == expected
