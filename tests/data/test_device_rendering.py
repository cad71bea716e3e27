"""Views rendered on a device (a GPU if there is one) from 8-bit windows are those that threads render, bit for bit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from alexc.runtime.augmentations.augmentation import Augmentation
from alexc.runtime.augmentations.color_jitter import ColorJitter
from alexc.runtime.augmentations.cutout import Cutout
from alexc.runtime.augmentations.mirror import Mirror
from alexc.runtime.augmentations.pca_color import PCAColor
from alexc.runtime.augmentations.random_crop import RandomCrop
from alexc.runtime.augmentations.random_resized_crop import RandomResizedCrop
from alexc.runtime.augmentations.view import Views
from alexc.runtime.data.batch_loader import NOTHING_STORED, BatchLoader, groups_of
from alexc.runtime.data.device_rendering import DeviceRenderer, table_of
from alexc.runtime.data.device_store import stored_on
from alexc.runtime.data.split import DrawnImages, Images
from alexc.runtime.data.store import open_store
from alexc.runtime.data.views import Renderer, TrainingViews, ten_views
from alexc.runtime.errors import UserError
from alexc.runtime.parallel.batch_shard import BatchShard
from tests.data.test_batch_loader import FACTS, IMAGES, SIZE, SPLIT, STORED
from tests.support import tiny_training as tiny

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
PAPERS: tuple[Augmentation, ...] = (RandomCrop(SIZE), Mirror(), PCAColor(0.1))
RECIPES: dict[str, tuple[Augmentation, ...]] = {
    "none": (),
    "crop": (RandomCrop(SIZE),),
    "the paper's": PAPERS,
    "of 2012": (RandomCrop(SIZE), Mirror(), PCAColor(0.1, by="stddev", rescale="yes")),
    "jitter": (*PAPERS, ColorJitter(0.3, 0.3, 0.3, 0.1)),
    "cutout": (*PAPERS, Cutout(3), Cutout(2)),
}
ONE_COLOR = np.broadcast_to(FACTS.mean_image.mean((0, 1)), FACTS.mean_image.shape)
RENDERERS = {
    "mean image": Renderer(SIZE, FACTS.mean_image),
    "central mean": Renderer(SIZE, FACTS.mean_image, central=True),
    "colour": Renderer(SIZE, ONE_COLOR, 1 / (255 * np.array([0.2, 0.3, 0.4]))),
    "nothing": Renderer(SIZE, np.zeros_like(FACTS.mean_image)),
}


def batches(
    renderer: Renderer,
    augment: Sequence[Augmentation],
    on_device: torch.device | None,
    share: BatchShard | None = None,
    stored: bool = False,
    images: Images = SPLIT,
) -> list[tuple[torch.Tensor, torch.Tensor, int]]:
    views = TrainingViews(augment, FACTS, SIZE, seed=3)
    groups = groups_of(np.arange(IMAGES), 5)
    pixels = torch.from_numpy(np.stack([SPLIT.image(image) for image in range(IMAGES)]))
    kept: Mapping[Images, torch.Tensor] = {SPLIT: pixels.to(on_device)} if stored else NOTHING_STORED
    with BatchLoader(renderer, SIZE, 5, 2, on_device, kept, share or BatchShard()) as loader:
        made = loader.batches(images, groups, views.of_epoch(0, np.arange(IMAGES)).take)
        return [(batch.images.cpu().clone(), batch.labels, batch.count) for batch in made]


def assert_same(
    renderer: Renderer,
    augment: Sequence[Augmentation],
    share: BatchShard | None = None,
    stored: bool = False,
    images: Images = SPLIT,
) -> None:
    expected = batches(renderer, augment, None, share, images=images)
    made = batches(renderer, augment, DEVICE, share, stored, images)
    assert len(made) == len(expected) > 1
    for (shown, labels, count), (own_images, own_labels, own_count) in zip(expected, made, strict=True):
        assert own_images.is_contiguous(memory_format=torch.channels_last)
        assert torch.equal(own_images, shown)
        assert torch.equal(own_labels, labels)
        assert own_count == count


@pytest.mark.parametrize("renderer", RENDERERS)
@pytest.mark.parametrize("recipe", RECIPES)
def test_every_augmentation_has_the_same_bits(recipe: str, renderer: str) -> None:
    assert_same(RENDERERS[renderer], RECIPES[recipe])


@pytest.mark.parametrize("recipe", RECIPES)
def test_windows_that_are_cut_from_shards_have_the_same_bits(recipe: str, tmp_path: Path) -> None:
    """Many at once from memory-mapped files, of images in any order and several times."""
    store = open_store(tiny.make_store(tmp_path))
    assert len(store.train.shards) > 1
    images = DrawnImages(store.train, np.random.default_rng(0).integers(0, len(store.train), IMAGES))
    assert images.windows(np.array([3]), np.array([[1, 2]]), (4, 5)) is not None

    views = TrainingViews(RECIPES[recipe], FACTS, SIZE, seed=3).of_epoch(0, np.arange(IMAGES))
    shown = []
    for device in (None, DEVICE):
        with BatchLoader(Renderer(SIZE, store.mean_image), SIZE, 5, 2, device) as loader:
            made = loader.batches(images, groups_of(np.arange(IMAGES), 5), views.take)
            shown.append(torch.cat([batch.images.cpu().clone() for batch in made]))
    assert torch.equal(shown[0], shown[1])


def test_the_threads_of_the_loader_use_one_core_each() -> None:
    before = torch.get_num_threads()
    with BatchLoader(RENDERERS["nothing"], SIZE, 5, 3, DEVICE) as loader:
        assert torch.get_num_threads() == before
        assert [each.result() for each in [loader._threads.submit(torch.get_num_threads) for _ in range(9)]] == [1] * 9
        with ThreadPoolExecutor(1) as other:
            assert other.submit(torch.get_num_threads).result() == before


@pytest.mark.parametrize("renderer", ["colour", "nothing"])
def test_scaled_windows_have_the_same_bits(renderer: str) -> None:
    assert_same(RENDERERS[renderer], (RandomResizedCrop(SIZE), Mirror(), PCAColor(0.1), Cutout(3)))


@pytest.mark.parametrize("part", range(4))
def test_each_rank_gets_its_rows_and_blank_ones(part: int) -> None:
    """The last batch has fewer images than there are ranks: some of them read padding only."""
    assert_same(RENDERERS["mean image"], PAPERS, BatchShard(multiple=4, read=(part, 4)))


@pytest.mark.parametrize("recipe", ["none", "the paper's", "cutout"])
def test_a_store_on_the_device_has_the_same_bits(recipe: str) -> None:
    assert_same(RENDERERS["mean image"], RECIPES[recipe], stored=True)


def test_a_store_on_the_device_serves_ranks_and_drawn_images() -> None:
    drawn = DrawnImages(SPLIT, np.arange(IMAGES)[::-1] // 2)
    for part in range(4):
        assert_same(RENDERERS["colour"], PAPERS, BatchShard(multiple=4, read=(part, 4)), stored=True, images=drawn)


def test_whole_images_on_the_device_give_the_same_views() -> None:
    """As a store gives them that lies in the memory of a GPU."""
    images: NDArray[np.int64] = np.array([3, 0, 3, 6])
    views = ten_views(STORED, SIZE)[3:7]
    renderer = RENDERERS["mean image"]
    stored = torch.from_numpy(np.stack([SPLIT.image(image) for image in range(IMAGES)])).to(DEVICE)
    rendered = DeviceRenderer(renderer, DEVICE).render(
        stored, table_of(Views.of(views)).to(DEVICE), torch.from_numpy(images).to(DEVICE)
    )
    made = rendered.cpu()
    for row, (image, view) in enumerate(zip(images.tolist(), views, strict=True)):
        expected = np.empty((SIZE, SIZE, 3), np.float32)
        renderer.render(SPLIT.image(image), view, expected)
        assert np.array_equal(made[row].permute(1, 2, 0).numpy(), expected)


def test_a_store_is_copied_to_the_device_or_told_why_not(tmp_path: Path) -> None:
    store = open_store(tiny.make_store(tmp_path))
    stored = stored_on(DEVICE, store, PAPERS, free=10**9)
    for split in (store.train, store.val):
        assert len(stored[split]) == len(split)
        assert all(
            np.array_equal(stored[split][index].cpu().numpy(), split.image(index)) for index in range(len(split))
        )
    with pytest.raises(UserError, match=r"--cache device: the images take 0\.0 GB, and .* has 0\.0 GB free"):
        stored_on(DEVICE, store, PAPERS, free=10**4)
    with pytest.raises(UserError, match="--cache device: ColorJitter changes each image on the CPU"):
        stored_on(DEVICE, store, RECIPES["jitter"], free=10**9)
