"""What a killed process leaves behind goes with the next command: temporary folders, and files half written."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import pytest

from alexc.runtime.errors import UserError
from alexc.runtime.files import write_bytes
from alexc.runtime.folder_lock import LOCK, folder_lock
from alexc.runtime.temporary_folder import temporary_folder
from alexc.runtime.training.launch import _launch_config

KILLED = (
    "import os, signal\n"
    "from alexc.runtime.data.worker_pool import start_importing\n"
    "start_importing()\n"
    "os.kill(os.getpid(), signal.SIGKILL)\n"
)


@pytest.fixture
def temporary(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of temporary files; its path is short, because that of a socket has a limit."""
    folder = tmp_path_factory.mktemp("t")
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_a_temporary_folder_goes_with_its_block_and_left_ones_before(temporary: Path, tmp_path: Path) -> None:
    for name in ("alexc-left", "alexc-used", "alexc-beginning", "other"):
        (temporary / name / "content").mkdir(parents=True)
    (temporary / "alexc-link").symlink_to(tmp_path)
    (temporary / "alexc-left" / LOCK).touch()
    (temporary / "other" / LOCK).touch()
    with folder_lock(temporary / "alexc-used"), temporary_folder() as own:
        assert own.parent == temporary
        names = {path.name for path in temporary.iterdir()}
        assert names == {own.name, "alexc-used", "alexc-beginning", "alexc-link", "other"}
    assert not own.exists()


@pytest.mark.slow
def test_the_sockets_of_a_killed_prepare_go_with_the_next_command(temporary: Path) -> None:
    environment = os.environ | {"TMPDIR": str(temporary)}
    killed = subprocess.run([sys.executable, "-c", KILLED], env=environment)
    assert killed.returncode == -signal.SIGKILL
    assert [path.name[:6] for path in temporary.iterdir()] == ["alexc-"]
    with temporary_folder() as own:
        assert list(temporary.iterdir()) == [own]


def test_the_ranks_report_in_the_temporary_folder(temporary: Path, tmp_path: Path) -> None:
    specs = _launch_config(2, tmp_path).logs_specs
    assert specs is not None
    assert specs.root_log_dir == str(tmp_path)
    assert not list(temporary.iterdir())


@pytest.mark.posix
def test_a_file_half_written_goes_when_the_file_is_written_again(tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    for name in (f"a.json.{dead.pid}.tmp", f"b.json.{dead.pid}.tmp", f"a.json.{os.getppid()}.tmp", "a.json.x.tmp"):
        (tmp_path / name).touch()
    write_bytes(tmp_path / "a.json", b"{}")
    assert {path.name for path in tmp_path.iterdir()} == {
        "a.json",
        f"b.json.{dead.pid}.tmp",
        f"a.json.{os.getppid()}.tmp",
        "a.json.x.tmp",
    }


@pytest.mark.posix
def test_a_forked_process_does_not_remove_the_folder_of_its_parent() -> None:
    """The workers of torch's DataLoader drop what the parent holds: the sockets of our workers are in such a folder."""
    held = ExitStack()
    folder = held.enter_context(temporary_folder())
    child = os.fork()
    if child == 0:
        try:
            held.close()
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
    with pytest.raises(UserError, match="in use by another process"), folder_lock(folder):
        pytest.fail("the child has released the lock of its parent")
    held.close()
    assert not folder.exists()
