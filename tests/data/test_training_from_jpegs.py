"""Training from a store of JPEGs: the same bits after a stop, and a plain message where an image is damaged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from alexc.runtime.data.prepare import prepare
from alexc.runtime.data.store import Geometry, open_store
from alexc.runtime.errors import UserError
from tests.support import tiny_training as tiny
from tests.support.commands import Command

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("jpegs")
    return prepare(tiny.make_images(folder / "images"), folder / "store", Geometry(24, 20), 1, quality=90).path


def test_a_stopped_run_ends_with_the_same_bits_and_any_number_of_threads(store: Path, tmp_path: Path) -> None:
    network = tiny.write_network(tmp_path)
    tiny.run_to(tiny.options(network, store, tmp_path / "whole", workers=3))
    tiny.run_to(tiny.options(network, store, tmp_path / "run"), steps=5)
    tiny.run_to(tiny.options(network, store, tmp_path / "run", resume=True))
    tiny.assert_same_run(tmp_path / "run", tmp_path / "whole")


def test_a_damaged_image_ends_the_training_with_a_message(store: Path, tmp_path: Path) -> None:
    shard = store / "train-00001.jpegs"
    content = bytearray(shard.read_bytes())
    end = int(np.load(store / "train-ends.npy")[16])
    content[: min(end, 20)] = bytes(min(end, 20))
    shard.write_bytes(content)
    process = Command("train", tiny.write_network(tmp_path), "--data", store, "--out", "run", cwd=tmp_path)
    _, errors = process.communicate()
    assert process.returncode == 1
    assert "train-00001.jpegs: its content is not what was written" in errors
    assert "delete the store and prepare it again" in errors
    assert "Traceback" not in errors
    with pytest.raises(UserError, match=r"train-00001\.jpegs: image 0 is not a valid JPEG of 20 x 20 pixels"):
        open_store(store).train.image(16)
