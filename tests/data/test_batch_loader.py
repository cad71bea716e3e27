"""Batches: the same for any number of threads, in order, and never more than a few ahead."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from alexc.runtime.augmentations.mirror import Mirror
from alexc.runtime.augmentations.pca_color import PCAColor
from alexc.runtime.augmentations.random_crop import RandomCrop
from alexc.runtime.augmentations.view import Views, same_views
from alexc.runtime.data.batch_loader import Batch, BatchLoader, groups_of
from alexc.runtime.data.dataset_statistics import DatasetStatistics
from alexc.runtime.data.random_streams import epoch_order
from alexc.runtime.data.shard_pixels import RawPixels
from alexc.runtime.data.split import Split
from alexc.runtime.data.store import Geometry
from alexc.runtime.data.views import Renderer, TrainingViews, ten_views

STORED, SIZE, IMAGES = 20, 16, 23
RNG = np.random.default_rng(0)
FACTS = DatasetStatistics(
    ("a", "b"), Geometry(STORED, STORED), RNG.uniform(0, 255, (STORED, STORED, 3)), np.ones(3), np.eye(3), "x"
)
VIEWS = TrainingViews((RandomCrop(SIZE), Mirror(), PCAColor(0.1)), FACTS, SIZE, seed=1).of_epoch(0, np.arange(IMAGES))


class MemorySplit(Split):
    """A split whose pixels lie in memory, and that counts how often it was asked."""

    def __init__(self) -> None:
        super().__init__(
            RawPixels(Path(), (STORED, STORED, 3), ()), (), np.arange(IMAGES) % 2, tuple(map(str, range(IMAGES)))
        )
        self.pixels = RNG.integers(0, 256, (IMAGES, STORED, STORED, 3), dtype=np.uint8)
        self.asked = 0
        self.lock = threading.Lock()

    def image(self, index: int) -> NDArray[np.uint8]:
        with self.lock:
            self.asked += 1
        image: NDArray[np.uint8] = self.pixels[index]
        return image

    def windows(self, images: object, places: object, size: object) -> None:
        """None, so that images are asked for one by one, as those of a store of JPEGs."""
        return


SPLIT = MemorySplit()


def feed(threads: int, batch: int = 5) -> BatchLoader:
    return BatchLoader(Renderer(SIZE, FACTS.mean_image), SIZE, batch, threads)


def copies(threads: int) -> list[Batch]:
    with feed(threads) as source:
        groups = groups_of(epoch_order(1, 0, IMAGES), 5)
        return [
            Batch(batch.images.clone(), batch.labels, batch.count)
            for batch in source.batches(SPLIT, groups, VIEWS.take)
        ]


def test_holds_the_views_of_its_images_in_order() -> None:
    order = epoch_order(1, 0, IMAGES)
    batches = copies(threads=1)
    assert [len(batch.images) for batch in batches] == [5, 5, 5, 5, 3]
    assert torch.cat([batch.labels for batch in batches]).tolist() == (order % 2).tolist()
    images = torch.cat([batch.images for batch in batches])
    for row, index in enumerate(order.tolist()):
        expected = np.empty((SIZE, SIZE, 3), np.float32)
        Renderer(SIZE, FACTS.mean_image).render(SPLIT.image(index), list(VIEWS)[index], expected)
        torch.testing.assert_close(images[row].permute(1, 2, 0), torch.from_numpy(expected), rtol=0, atol=0)


@pytest.mark.parametrize("threads", [2, 3, 8])
def test_is_the_same_for_any_number_of_threads(threads: int) -> None:
    for one, many in zip(copies(1), copies(threads), strict=True):
        assert torch.equal(one.images, many.images)
        assert torch.equal(one.labels, many.labels)


def test_is_channels_last_float32() -> None:
    with feed(1) as source:
        batch = next(iter(source.batches(SPLIT, [np.arange(5)], VIEWS.take)))
        assert batch.images.shape == (5, 3, SIZE, SIZE)
        assert batch.images.dtype == torch.float32
        assert batch.images.is_contiguous(memory_format=torch.channels_last)


def test_several_views_of_an_image_lie_side_by_side() -> None:
    with feed(2, batch=20) as source:
        (batch,) = source.batches(SPLIT, [np.array([4, 7])], same_views(ten_views(STORED, SIZE)))
        assert batch.labels.tolist() == [0] * 10 + [1] * 10
        first = torch.from_numpy(SPLIT.pixels[7, :SIZE, :SIZE] - FACTS.mean_image[:SIZE, :SIZE])
        torch.testing.assert_close(batch.images[10].permute(1, 2, 0).double(), first, rtol=0, atol=1e-4)


@pytest.mark.parametrize("threads", [1, 3])
def test_is_only_a_few_batches_ahead(threads: int) -> None:
    split = MemorySplit()
    with feed(threads, batch=1) as source:
        batches = source.batches(split, groups_of(np.arange(IMAGES), 1), VIEWS.take)
        next(batches)
        deadline = time.monotonic() + 5
        while split.asked < threads + 1 and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.1)
        assert split.asked == threads + 1


def test_a_batch_in_use_is_not_overwritten() -> None:
    with feed(3) as source:
        for batch in source.batches(SPLIT, groups_of(np.arange(IMAGES), 5), VIEWS.take):
            before = batch.images.clone()
            time.sleep(0.02)  # gives the threads time to spoil it
            assert torch.equal(batch.images, before)


def test_can_be_left_in_the_middle_and_used_again() -> None:
    with feed(2) as source:
        groups = groups_of(np.arange(IMAGES), 5)
        for _ in range(20):
            left = source.batches(SPLIT, groups, VIEWS.take)
            next(left)
            left.close()
        whole = [batch.labels for batch in source.batches(SPLIT, groups, VIEWS.take)]
        assert torch.cat(whole).tolist() == SPLIT.labels.tolist()


def test_an_error_while_rendering_reaches_the_reader() -> None:
    def broken(images: NDArray[np.int64]) -> Views:
        if 12 in images:
            raise OSError("the disk is gone")
        return VIEWS.take(images)

    with feed(2) as source, pytest.raises(OSError, match="the disk is gone"):
        list(source.batches(SPLIT, groups_of(np.arange(IMAGES), 5), broken))


def test_an_empty_split_makes_no_batch() -> None:
    with feed(2) as source:
        assert list(source.batches(SPLIT, [], VIEWS.take)) == []
