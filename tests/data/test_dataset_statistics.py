"""What a run keeps of its data survives the disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from alexc.runtime.data.dataset_statistics import DatasetStatistics, load_statistics, save_statistics
from alexc.runtime.data.store import Geometry
from alexc.runtime.errors import UserError

RNG = np.random.default_rng(0)
FACTS = DatasetStatistics(
    ("tulip", "Ä b\x1b", "c" * 300),
    Geometry(30, 20),
    RNG.uniform(0, 255, (20, 20, 3)),
    RNG.random(3),
    RNG.random((3, 3)),
    "ab12",
)


def test_comes_back_exactly(tmp_path: Path) -> None:
    save_statistics(FACTS, tmp_path / "data.npz")
    back = load_statistics(tmp_path / "data.npz")
    assert (back.classes, back.geometry, back.identity) == (FACTS.classes, FACTS.geometry, FACTS.identity)
    for name in ("mean_image", "eigenvalues", "eigenvectors"):
        np.testing.assert_array_equal(getattr(back, name), getattr(FACTS, name))
        assert getattr(back, name).dtype == np.float64


@pytest.mark.parametrize("damage", ["empty", "cut", "text", "pickle", "missing"])
def test_damage_is_named(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "data.npz"
    save_statistics(FACTS, path)
    match damage:
        case "empty":
            path.write_bytes(b"")
        case "cut":
            path.write_bytes(path.read_bytes()[:1000])
        case "text":
            path.write_text("hello")
        case "pickle":
            np.savez(path, classes=np.array([object()]), geometry=np.array([1, 1]), allow_pickle=True)
        case "missing":
            path.unlink()
    with pytest.raises(UserError, match=r"data\.npz is (damaged|missing)"):
        load_statistics(path)
