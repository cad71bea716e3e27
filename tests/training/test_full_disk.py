"""Commands that write to a real disk which fills up or becomes read-only."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from alexc.runtime.data.prepare import prepare
from alexc.runtime.data.store import Geometry
from alexc.runtime.runs.checkpoint import load_checkpoint
from tests.support import tiny_training as tiny
from tests.support.commands import Command
from tests.support.photographs import content, photographs
from tests.support.small_disk import SmallDisk, small_disk

pytestmark = pytest.mark.slow
EPOCHS, MEGABYTES = 30, 4
# A checkpoint of 400 kB, many times the size of a page or a buffer.
LARGE = (
    ("self.fc = nn.Linear(216, 4)", "self.fc = nn.Linear(216, 4)\n        self.spare = nn.Linear(250, 400)"),
    ("self.norm, self.fc)", "self.norm, self.fc, self.spare)"),
)
STEADY = ("times=3, patience=1", "times=3, patience=100")
# It stops while there is a file `slow.py.waits`, so that a test can fill the disk between two steps.
SLOW = (
    "        x = nn.",
    "        import os, time\n        time.sleep(0.02)\n"
    "        while os.path.exists(f'{__file__}.waits'):\n            time.sleep(0.01)\n        x = nn.",
)


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with networks, a store, and `whole`, an uninterrupted run."""
    home = tmp_path_factory.mktemp("disk")
    tiny.make_store(home)
    network = tiny.write_network(home, *LARGE, STEADY)
    tiny.write_network(home, *LARGE, SLOW, name="slow.py")
    tiny.run_to(tiny.options(network, home / "store", home / "whole", epochs=EPOCHS))
    return home


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk", MEGABYTES) as disk:
        yield disk


def train(disk: SmallDisk, home: Path, *more: object, network: str = "tiny.py") -> Command:
    return disk.alexc(
        "train", home / network, "--data", home / "store", "--out", disk.path / "run", "--epochs", EPOCHS,
        "--device", "cpu", "--no-tensorboard", *more, cwd=home,
    )  # fmt: skip


def wait_until(done: Callable[[], bool], process: Command) -> None:
    deadline = time.monotonic() + 60
    while not done():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.002)


def done(process: Command) -> str:
    """The output of a command that succeeds."""
    printed, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    return printed


def error_of(process: Command) -> str:
    """The one line of an error message, without a traceback."""
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1, errors
    assert "Traceback" not in errors
    lines = [line for line in errors.splitlines() if not line.startswith("epoch ")]
    assert len(lines) == 1, errors
    assert lines[0].startswith("error: ")
    return lines[0]


def steps_recorded(disk: SmallDisk) -> int:
    try:
        return (disk.here / "run" / "metrics.jsonl").read_bytes().count(b"\n")
    except FileNotFoundError:
        return 0


def assert_nothing_partial(run: Path) -> None:
    assert [path.name for path in run.iterdir() if path.suffix in (".partial", ".tmp")] == []


def assert_goes_on(disk: SmallDisk, home: Path) -> None:
    """When there is room again, --resume ends with the same bits as a run without interruption."""
    assert "curves" in done(train(disk, home, "--resume", disk.path / "run"))
    tiny.assert_same_run(disk.here / "run", home / "whole")


@pytest.mark.parametrize("leave", [0, 8192, 200_000])
def test_while_a_checkpoint_is_saved(home: Path, disk: SmallDisk, leave: int) -> None:
    process = train(disk, home, "--save-every", 1)
    wait_until(lambda: steps_recorded(disk) >= 20, process)
    while process.poll() is None:  # a checkpoint that is whole already makes room by replacing the oldest one
        disk.fill(leave)
        time.sleep(0.002)
    error = error_of(process)
    run = disk.here / "run"
    assert f"error: {disk.path}/run/" in error
    assert "(the disk is full): make room" in error
    if leave:
        assert "next.pt cannot be written (" in error
    assert_nothing_partial(run)
    assert load_checkpoint(run / "last.pt")["state"]["step"] >= 15
    disk.make_room()
    assert_goes_on(disk, home)


def test_while_the_best_weights_are_saved(home: Path, disk: SmallDisk) -> None:
    process = train(disk, home, network="slow.py")
    wait_until((disk.here / "run" / "run.json").exists, process)
    disk.fill(8192)
    assert "run/best.pt cannot be written (the disk is full): make room" in error_of(process)
    assert_nothing_partial(disk.here / "run")
    assert load_checkpoint(disk.here / "run" / "last.pt")["state"]["step"] == 0


@pytest.mark.parametrize(("events", "words"), [("--no-tensorboard", "run/metrics.jsonl"), ("--tensorboard", "run/")])
def test_while_metrics_are_written(home: Path, tmp_path: Path, disk: SmallDisk, events: str, words: str) -> None:
    """With 26 steps per epoch, the second page of the metrics file begins in the middle of the second epoch."""
    options = ("--batch", 1, "--epochs", 3, events)
    process = train(disk, home, *options, network="slow.py")
    wait_until(lambda: steps_recorded(disk) >= 28, process)
    (home / "slow.py.waits").touch()
    disk.fill(0)
    (home / "slow.py.waits").unlink()
    error = error_of(process)
    assert f"{disk.path}/{words}" in error
    assert (
        "cannot be written (the disk is full): make room; the checkpoints are intact: continue with --resume" in error
    )
    disk.make_room()
    done(train(disk, home, *options, "--resume", disk.path / "run", network="slow.py"))
    tiny.run_to(tiny.options(home / "slow.py", home / "store", tmp_path / "whole", batch=1, epochs=3))
    tiny.assert_same_run(disk.here / "run", tmp_path / "whole")


def test_while_the_curves_are_drawn(home: Path, disk: SmallDisk) -> None:
    done(train(disk, home))
    before = (disk.here / "run" / "curves.png").read_bytes()
    process = train(disk, home, "--resume", disk.path / "run")
    wait_until(lambda: "\nnothing is left to do" in process.printed, process)
    disk.fill(0)
    error = error_of(process)
    assert "run/curves.png cannot be written (the disk is full): make room; the run itself is whole" in error
    assert_nothing_partial(disk.here / "run")
    assert (disk.here / "run" / "curves.png").read_bytes() == before
    disk.make_room()
    assert_goes_on(disk, home)


def test_a_disk_that_becomes_read_only(home: Path, disk: SmallDisk) -> None:
    """A disk can only become read-only while no file is open for writing, so between two commands."""
    done(train(disk, home, "--steps", 3))
    disk.make_read_only()
    error = error_of(train(disk, home, "--resume", disk.path / "run"))
    assert f"error: {disk.path}/run cannot be written (no file can be made there): make it writable" in error


def test_a_folder_that_cannot_be_written_is_told_before_training(home: Path, disk: SmallDisk) -> None:
    disk.make_read_only()
    error = error_of(train(disk, home))
    assert f"error: {disk.path} cannot be written (no file can be made there): make it writable" in error


def test_a_full_disk_is_told_before_training(home: Path, disk: SmallDisk) -> None:
    disk.fill(1_000_000)
    error = error_of(train(disk, home))
    assert "kB free, and the checkpoints need 3.3 MB: make room" in error
    disk.make_room()
    done(train(disk, home, "--steps", 1))


def test_while_images_are_prepared(disk: SmallDisk, tmp_path: Path) -> None:
    """After the check of free space, another program fills the disk."""
    source = photographs(tmp_path / "data", 80, 20, size=(700, 500), ending="jpg")
    command = ("prepare", source, "--out", disk.path / "store", "--resize", 64, "--crop", 64, "--workers", 2)
    process = disk.alexc(*command, cwd=tmp_path)
    partial = disk.here / "store.partial"
    wait_until(lambda: any((partial / "records").glob("*.json")), process)
    disk.fill(0)
    error = error_of(process)
    assert f"error: {disk.path}/store cannot be made: " in error
    assert "no space left on device" in error
    assert not list(partial.rglob("*.tmp"))
    disk.make_room()
    done(disk.alexc(*command, cwd=tmp_path))
    whole = prepare(source, tmp_path / "whole", Geometry(64, 64), 2)
    assert content(disk.here / "store") == content(whole.path)
