"""Faults during a training: the store changes, memory or the disk runs out."""

from __future__ import annotations

import errno
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from alexc.runtime.data.store import open_store
from alexc.runtime.errors import UserError
from alexc.runtime.training.command import run_training
from alexc.runtime.training.set_up import set_up
from tests.support import tiny_training as tiny
from tests.support.commands import Command

SLOW = ("        x = nn.", "        import time\n        time.sleep(0.05)\n        x = nn.")


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder with a network and a store."""
    tiny.make_store(tmp_path)
    tiny.write_network(tmp_path)
    return tmp_path


@pytest.mark.slow
def test_a_store_replaced_or_removed_under_a_training_does_not_touch_it(home: Path) -> None:
    tiny.run_to(tiny.options(home / "tiny.py", home / "store", home / "whole"))
    other = tiny.make_store(home / "other", seed=1)
    with set_up(tiny.options(home / "tiny.py", home / "store", home / "run")) as trainer:
        shutil.rmtree(home / "store")
        other.rename(home / "store")
        trainer.train(lambda: False)
    tiny.assert_same_run(home / "run", home / "whole")
    with pytest.raises(UserError, match="was trained on other data than it is given now"):
        tiny.run_to(tiny.options(home / "tiny.py", home / "store", home / "run", resume=True))


@pytest.mark.slow
def test_an_image_of_a_shard_that_was_cut_off_is_an_error_not_a_signal(home: Path) -> None:
    """Without a check, reading it would end the process by SIGBUS."""
    split = open_store(home / "store").train
    assert split.image(0).sum() > 0
    os.truncate(home / "store" / "train-00000.u8", 0)
    with pytest.raises(UserError, match=r"the store is damaged: .*train-00000\.u8: it was cut off while it was in use"):
        split.image(0)
    assert split.image(len(split) - 1).sum() > 0  # of another shard


def error_of(process: Command) -> str:
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1, errors
    assert "Traceback" not in errors
    (line,) = errors.splitlines()
    return line


@pytest.mark.slow
def test_a_shard_cut_off_under_a_running_training(home: Path) -> None:
    """The loader threads find it; --resume refuses this store, and continues with a whole one."""
    slow = tiny.write_network(home, SLOW, name="slow.py")
    shutil.copytree(home / "store", home / "copy")
    tiny.run_to(tiny.options(slow, home / "copy", home / "whole"))
    command = ("train", slow, "--data", home / "store", "--out", home / "run", "--device", "cpu", "--save-every", 1)
    process = Command(*command, "--epochs", 1000, cwd=home)
    deadline = time.monotonic() + 60
    while not (home / "run" / "previous.pt").exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.truncate(home / "store" / "train-00001.u8", 4096)
    assert "train-00001.u8: it was cut off while it was in use; delete the store and prepare it again" in error_of(
        process
    )
    process = Command(*command, "--resume", home / "run", cwd=home)
    assert "train-00001.u8: it has 4,096 bytes, expected" in error_of(process)
    tiny.run_to(tiny.options(slow, home / "copy", home / "run", resume=True, epochs=3))
    tiny.assert_same_run(home / "run", home / "whole")


@pytest.mark.slow
@pytest.mark.parametrize(
    "failure",
    [
        "torch.empty(10**15)",
        "(_ for _ in ()).throw(MemoryError())",
        "(_ for _ in ()).throw(torch.OutOfMemoryError('CUDA out of memory'))",
    ],
)
def test_want_of_memory_is_told_with_what_to_do(home: Path, failure: str) -> None:
    edit = ("        x = nn.", f"        if len(x) > 1:\n            {failure}\n        x = nn.")
    path = tiny.write_network(home, edit, name="greedy.py")
    with pytest.raises(UserError, match=r"not enough memory on cpu for batches of 8: .*--batch, or with --accumulate"):
        run_training(tiny.options(path, home / "store", home / "run"))
    assert tiny.checkpoint(home / "run" / "last.pt")["state"]["step"] == 0


@pytest.mark.slow
def test_a_disk_that_takes_nothing_leaves_nothing_in_the_way(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Like a quota, which the check of free space does not see: at each of the first files."""
    sync, calls = os.fsync, 0

    def failing(descriptor: int) -> None:
        nonlocal calls
        calls += 1
        if calls == fails_at:
            raise OSError(errno.EDQUOT, "Disk quota exceeded")
        sync(descriptor)

    asked = tiny.options(home / "tiny.py", home / "store", home / "run")
    monkeypatch.setattr(os, "fsync", failing)
    for fails_at in range(1, 7):
        calls = 0
        with pytest.raises(UserError, match=r"cannot be written \(the disk is full\): make room"):
            tiny.run_to(asked, steps=0)
        assert [path.name for path in (home / "run").iterdir()] == ["lock"], fails_at
    fails_at = 0
    tiny.run_to(asked, steps=1)
    calls, fails_at = 0, 1
    with pytest.raises(UserError, match=r"run\.json cannot be written .*; nothing was trained: run the same"):
        tiny.run_to(tiny.options(home / "tiny.py", home / "store", home / "run", resume=True))
