"""Checkpoints are read back exactly, every damage is found, and a failed save keeps the old checkpoint."""

from __future__ import annotations

import math
import os
import random
import resource
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

from alexc.runtime.errors import UserError
from alexc.runtime.runs.checkpoint import DamagedCheckpoint, load_checkpoint, save_checkpoint


def content(seed: int = 0) -> dict[str, Any]:
    generator = torch.Generator().manual_seed(seed)
    return {
        "weights": {
            "conv.weight": torch.randn(4, 3, 5, 5, generator=generator).to(memory_format=torch.channels_last),
            "steps": torch.tensor(3),
        },
        "optimizer": {"velocity": {"conv.bias": torch.randn(7, generator=generator)}},
        "state": {"epoch": 3, "best": math.inf, "loss": 0.1 + 0.2, "network": "Ä", "none": None, "ended": False},
    }


def assert_same(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert one.keys() == other.keys()
    torch.testing.assert_close(one["weights"], other["weights"], rtol=0, atol=0)
    torch.testing.assert_close(one["optimizer"], other["optimizer"], rtol=0, atol=0)
    assert one["state"] == other["state"]


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "last.pt"
    save_checkpoint(path, content())
    return path


def test_is_read_back_exactly(saved: Path) -> None:
    assert_same(load_checkpoint(saved), content())
    assert [path.name for path in saved.parent.iterdir()] == ["last.pt"]


def test_is_a_file_that_torch_and_zip_read(saved: Path) -> None:
    assert_same(torch.load(saved, weights_only=True), content())
    with zipfile.ZipFile(saved) as archive:
        assert archive.testzip() is None
        assert archive.comment.startswith(b"alexc sha256 ")


def test_replaces_the_old_one(saved: Path) -> None:
    save_checkpoint(saved, content(seed=1))
    assert_same(load_checkpoint(saved), content(seed=1))


def test_every_truncation_is_found(saved: Path) -> None:
    whole = saved.read_bytes()
    for length in {0, 1, len(whole) - 1, len(whole) - 80, *random.Random(0).sample(range(len(whole)), 60)}:
        saved.write_bytes(whole[:length])
        with pytest.raises(DamagedCheckpoint, match=r"empty|cut off"):
            load_checkpoint(saved)


def test_every_flipped_bit_is_found(saved: Path) -> None:
    whole = saved.read_bytes()
    draw = random.Random(0)
    for place in {*draw.sample(range(len(whole)), 300), *range(len(whole) - 100, len(whole))}:
        flipped = bytearray(whole)
        flipped[place] ^= 1 << draw.randrange(8)
        saved.write_bytes(flipped)
        with pytest.raises(DamagedCheckpoint):
            load_checkpoint(saved)


def test_missing_appended_and_foreign_files(saved: Path, tmp_path: Path) -> None:
    with pytest.raises(DamagedCheckpoint, match="No such file"):
        load_checkpoint(tmp_path / "none.pt")
    saved.write_bytes(saved.read_bytes() + b"x")
    with pytest.raises(DamagedCheckpoint):
        load_checkpoint(saved)
    torch.save(content(), tmp_path / "foreign.pt")
    with pytest.raises(DamagedCheckpoint, match="not a checkpoint of alexc"):
        load_checkpoint(tmp_path / "foreign.pt")


class Trap:
    """An object that writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.system, (f"touch {self.path}",))


def test_code_in_a_checkpoint_is_never_run(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "evil.pt", {"weights": Trap(tmp_path / "hit")})
    with pytest.raises(DamagedCheckpoint, match="torch cannot read it"):
        load_checkpoint(tmp_path / "evil.pt")
    assert not (tmp_path / "hit").exists()


@pytest.mark.parametrize("room", [0, 1000, 700_000, 1_200_000])
def test_a_save_that_does_not_fit_leaves_the_old_one(saved: Path, room: int) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, before[1]))
    try:
        with pytest.raises(UserError, match=r"last\.pt cannot be written \(.*the checkpoints before it are intact"):
            save_checkpoint(saved, {"weights": torch.zeros(300_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [path.name for path in saved.parent.iterdir()] == ["last.pt"]
    assert_same(load_checkpoint(saved), content())


def test_a_folder_that_is_gone(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="none was deleted or moved while it was in use"):
        save_checkpoint(tmp_path / "none" / "last.pt", content())
