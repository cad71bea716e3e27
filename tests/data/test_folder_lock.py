"""One process at a time in a folder."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from threading import Timer

import pytest

from alexc.runtime.errors import UserError
from alexc.runtime.folder_lock import LOCK, folder_lock

HOLD = (
    "import sys, time, pathlib\n"
    "from alexc.runtime.folder_lock import folder_lock\n"
    "with folder_lock(pathlib.Path(sys.argv[1])):\n"
    "    print('held', flush=True)\n"
    "    time.sleep(60)\n"
)


def test_it_keeps_others_out_and_dies_with_its_process(tmp_path: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(UserError, match="is in use by another process"), folder_lock(tmp_path):
            pytest.fail("the lock was given twice")
    finally:
        holder.kill()
        holder.communicate()
    with folder_lock(tmp_path):
        pass


def test_it_is_released_after_the_block_and_after_an_error(tmp_path: Path) -> None:
    with folder_lock(tmp_path / "new" / "folder"):
        assert (tmp_path / "new" / "folder" / LOCK).is_file()
    with pytest.raises(KeyError), folder_lock(tmp_path / "new" / "folder"):
        raise KeyError
    with folder_lock(tmp_path / "new" / "folder"):
        pass


def test_a_holder_may_remove_the_folder(tmp_path: Path) -> None:
    for _ in range(2):
        with folder_lock(tmp_path / "work"):
            shutil.rmtree(tmp_path / "work")
    assert not (tmp_path / "work").exists()


def test_a_lock_file_removed_by_its_last_holder_is_not_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between this process's open and its lock, the holder finished and removed the file: it must start again."""
    import fcntl

    real = fcntl.flock
    removed: list[int] = []

    def remove_first(descriptor: int, operation: int) -> None:
        if not removed:
            removed.append((tmp_path / LOCK).stat().st_ino)
            (tmp_path / LOCK).unlink()
        real(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", remove_first)
    with folder_lock(tmp_path):
        assert removed
        with (tmp_path / LOCK).open() as file, pytest.raises(BlockingIOError):
            real(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_it_waits_if_asked_and_takes_over_when_the_holder_dies(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        Timer(0.1, holder.kill).start()
        with folder_lock(tmp_path, wait=True):
            assert holder.wait() != 0
    finally:
        holder.kill()
        holder.communicate()
    assert capsys.readouterr().err == f"waiting for the process that makes {tmp_path}\n"


def test_a_folder_that_its_last_holder_removes_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, folder = os.open, tmp_path / "work"

    def remove_first(path: Path, *options: int) -> int:
        monkeypatch.setattr(os, "open", real)
        folder.rmdir()
        return real(path, *options)

    monkeypatch.setattr(os, "open", remove_first)
    with folder_lock(folder):
        assert (folder / LOCK).is_file()
