"""Preparing and feeding stay far ahead of what a person writes: ratios of processor time, with wide margins."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from alexc.runtime.data.prepare import prepare
from alexc.runtime.data.store import Geometry
from benchmarks import data as benchmark
from tests.conftest import ROOT

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


# In its own process: workers of a DataLoader are forked, and wait for ever if other tests have left threads.
FEED = """
import json, sys
from pathlib import Path
import torch
from alexc.runtime.data.store import open_store
from benchmarks.data import fed_on_one_core

torch.set_num_threads(1)
tree, raw, jpegs = map(Path, sys.argv[1:])
fed = fed_on_one_core(tree, open_store(raw), open_store(jpegs), rounds=3)
print(json.dumps({way: fed.images[way] / min(seconds) for way, seconds in fed.seconds.seconds.items()}))
"""


def test_views_are_fed_sooner_than_by_image_folder(tmp_path: Path) -> None:
    tree = benchmark.grow(tmp_path / "tree", benchmark.photographs_in(SAMPLE), 96)
    geometry = Geometry(benchmark.STORED, benchmark.STORED)
    raw = prepare(tree, tmp_path / "raw", geometry, workers=2)
    jpegs = prepare(tree, tmp_path / "jpegs", geometry, workers=2, quality=90)
    command = [sys.executable, "-c", FEED, str(tree), str(raw.path), str(jpegs.path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    rates = json.loads(done.stdout.splitlines()[-1])
    assert rates[benchmark.RAW] > 6 * rates[benchmark.FOLDER]
    assert rates[benchmark.JPEGS] > 3 * rates[benchmark.FOLDER]
