"""`alexc prepare` in processes of its own, stopped in earnest: kill -9, a dead worker, Ctrl-C, two at once."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from alexc.runtime.data.prepare import prepare
from alexc.runtime.data.store import Geometry
from tests.support.commands import Command
from tests.support.photographs import content, photographs

pytestmark = pytest.mark.slow


def children(pid: int) -> list[int]:
    """Worker processes: children of the process from which they are forked, itself a child."""
    (server,) = (child for child in _children(pid) if Path(f"/proc/{child}/comm").read_text() == "forkserver\n")
    return _children(server)


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return photographs(tmp_path_factory.mktemp("big") / "data", 80, 20, size=(700, 500), ending="jpg")


@pytest.fixture(scope="module")
def whole(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store of a run that nothing disturbed."""
    return prepare(source, tmp_path_factory.mktemp("whole") / "store", Geometry(), 2).path


@pytest.fixture(autouse=True)
def _signals_arrive() -> Iterator[None]:
    """A program started in the background may ignore Ctrl-C, and so would the commands that it starts."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


class TestInterruptions:
    """The command in processes of its own, stopped in earnest."""

    def start(self, source: Path, store: Path, workers: int = 2) -> Command:
        return Command("prepare", source, "--out", store, "--workers", workers, cwd=store.parent)

    @contextmanager
    def running(self, source: Path, store: Path, shards: int) -> Iterator[Command]:
        """The command at work, with some shards finished; ended with all its children when the block is left."""
        process = self.start(source, store)
        try:
            records = store.with_name("store.partial") / "records"
            deadline = time.monotonic() + 60
            while len(list(records.glob("*.json"))) < shards:
                assert process.poll() is None, process.communicate()
                assert time.monotonic() < deadline
                time.sleep(0.005)
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()

    def finish(self, source: Path, store: Path, whole: Path) -> None:
        """Run again: it must not redo what was finished, and end as if nothing had happened."""
        partial = store.with_name("store.partial")
        finished = [path.stem for path in (partial / "records").glob("*.json")]
        inodes = {name: (partial / "store" / f"{name}.u8").stat().st_ino for name in finished}
        assert 0 < len(finished) < 14, "the interruption came too early or too late to show anything"
        process = self.start(source, store, workers=1)
        _, errors = process.communicate()
        assert process.returncode == 0, errors
        assert content(store) == content(whole)
        assert {name: (store / f"{name}.u8").stat().st_ino for name in finished} == inodes
        assert not partial.exists()

    @pytest.mark.parametrize("shards", [1, 3, 6, 9])
    def test_kill_9_of_all(self, source: Path, whole: Path, tmp_path: Path, shards: int) -> None:
        store = tmp_path / "store"
        with self.running(source, store, shards) as process:
            os.killpg(process.pid, signal.SIGKILL)
        assert not store.exists()
        self.finish(source, store, whole)

    def test_kill_9_of_the_parent_ends_its_workers(self, source: Path, whole: Path, tmp_path: Path) -> None:
        store = tmp_path / "store"
        with self.running(source, store, 1) as process:
            workers = children(process.pid)
            assert len(workers) == 2
            process.kill()
            process.wait()
            deadline = time.monotonic() + 10
            while any(Path(f"/proc/{worker}").exists() for worker in workers):
                assert time.monotonic() < deadline, "a worker lives on without its parent"
                time.sleep(0.01)
        self.finish(source, store, whole)

    def test_a_killed_worker(self, source: Path, whole: Path, tmp_path: Path) -> None:
        store = tmp_path / "store"
        with self.running(source, store, 1) as process:
            os.kill(children(process.pid)[0], signal.SIGKILL)
            _, errors = process.communicate(timeout=30)
        assert process.returncode == 1
        assert "error: a worker process died" in errors
        assert "fewer --workers if memory is short. In progress were train/a/" in errors
        assert "Traceback" not in errors
        self.finish(source, store, whole)

    def test_ctrl_c(self, source: Path, whole: Path, tmp_path: Path) -> None:
        store = tmp_path / "store"
        with self.running(source, store, 1) as process:
            os.killpg(process.pid, signal.SIGINT)
            output, errors = process.communicate(timeout=30)
        assert process.returncode == 130
        assert output == ""
        assert errors == "stopped; the work so far is kept: run the same command again to go on\n"
        assert not list((tmp_path / "store.partial").rglob("*.tmp"))
        self.finish(source, store, whole)

    def test_a_disk_that_fills_up(self, source: Path, whole: Path, tmp_path: Path) -> None:
        """A limit on the size of a file stands for the disk: writing fails in the middle of a shard."""
        store = tmp_path / "store"
        command = [sys.executable, "-m", "alexc", "prepare", str(source), "--out", str(store), "--workers", "2"]
        limited = ["bash", "-c", 'ulimit -f 2000; exec "$@"', "bash", *command]  # blocks of 1,024 bytes
        done = subprocess.run(limited, capture_output=True, text=True, timeout=60)
        assert done.returncode == 1
        assert re.search(r"error: .*/store cannot be made: .*file too large", done.stderr)
        assert "Traceback" not in done.stderr
        assert not list((tmp_path / "store.partial").rglob("*.tmp"))
        process = self.start(source, store)
        _, errors = process.communicate()
        assert process.returncode == 0, errors
        assert content(store) == content(whole)

    def test_modules_in_the_current_folder_are_not_imported(self, source: Path, whole: Path, tmp_path: Path) -> None:
        for name in ("queue.py", "inspect.py", "torch.py"):
            (tmp_path / name).write_text("raise SystemExit('of another')\n")
        (tmp_path / "alexc").mkdir()
        command = [str(Path(sys.executable).with_name("alexc")), "prepare", str(source), "--out", "store"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        assert "of another" not in done.stderr
        assert content(tmp_path / "store") == content(whole)

    def test_a_second_run_at_the_same_time(self, source: Path, tmp_path: Path) -> None:
        store = tmp_path / "store"
        with self.running(source, store, 1) as process:
            second = self.start(source, store)
            _, errors = second.communicate(timeout=30)
            assert second.returncode == 1
            assert "in use by another process" in errors
            _, errors = process.communicate(timeout=60)
            assert process.returncode == 0, errors
