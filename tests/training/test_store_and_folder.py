"""What a training does about a store whose file changed, and about what a killed training left in its folder."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from alexc.runtime.errors import UserError
from alexc.runtime.evaluation.run_evaluation import evaluate_run
from alexc.runtime.evaluation.trained_network import load_trained_network
from tests.data.test_store import flip
from tests.support import tiny_training as tiny


@pytest.mark.slow
def test_a_shard_that_changed_and_kept_its_size_is_refused(tmp_path: Path) -> None:
    store, network = tiny.make_store(tmp_path), tiny.write_network(tmp_path)
    tiny.run_to(tiny.options(network, store, tmp_path / "run"), steps=tiny.STEPS_PER_EPOCH)
    flip(store / "train-00001.u8", 5000)
    words = r"the store is damaged: .*train-00001\.u8: its content is not what was written"
    with pytest.raises(UserError, match=words):
        tiny.run_to(tiny.options(network, store, tmp_path / "run", resume=True))
    with pytest.raises(UserError, match=words):
        tiny.run_to(tiny.options(network, store, tmp_path / "other"))
    with pytest.raises(UserError, match=words):
        evaluate_run(load_trained_network(tmp_path / "run", torch.device("cpu")), None, 32)


@pytest.mark.slow
def test_files_that_a_killed_training_half_wrote_go_when_it_is_resumed(tmp_path: Path) -> None:
    store, network = tiny.make_store(tmp_path), tiny.write_network(tmp_path)
    tiny.run_to(tiny.options(network, store, tmp_path / "run"), steps=1)
    (tmp_path / "run" / "curves.png.1.tmp").touch()
    tiny.run_to(tiny.options(network, store, tmp_path / "run", resume=True), steps=2)
    assert not list((tmp_path / "run").glob("*.tmp"))
