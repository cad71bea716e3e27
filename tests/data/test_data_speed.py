"""Preparing and feeding stay far ahead of what a person writes: ratios of processor time, with wide margins."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from alexc.runtime.data.prepare import prepare
from alexc.runtime.data.store import Geometry
from benchmarks import data as benchmark

SAMPLE = Path(__file__).resolve().parents[3] / "shared" / "data" / "imagenet-sample"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not SAMPLE.is_dir(), reason="the shared images are not here"),
]


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def best(seconds: tuple[float, ...]) -> float:
    """The round that the rest of the machine disturbed least."""
    return min(seconds)


def test_an_image_is_prepared_sooner_than_by_pillow() -> None:
    ways = (benchmark.PIL, benchmark.ALEXC)
    made = benchmark.prepared_one_by_one(benchmark.photographs_in(SAMPLE), ways, rounds=3)
    assert best(made.seconds[benchmark.PIL]) > 1.15 * best(made.seconds[benchmark.ALEXC])


def test_views_are_fed_sooner_than_by_image_folder(tmp_path: Path) -> None:
    tree = benchmark.grow(tmp_path / "tree", benchmark.photographs_in(SAMPLE), 96)
    geometry = Geometry(benchmark.STORED, benchmark.STORED)
    raw = prepare(tree, tmp_path / "raw", geometry, workers=2)
    jpegs = prepare(tree, tmp_path / "jpegs", geometry, workers=2, quality=90)
    fed = benchmark.fed_on_one_core(tree, raw, jpegs, rounds=3)

    def rate(way: str) -> float:
        return fed.images[way] / best(fed.seconds.seconds[way])

    assert rate(benchmark.RAW) > 6 * rate(benchmark.FOLDER)
    assert rate(benchmark.JPEGS) > 3 * rate(benchmark.FOLDER)
