"""What other systems than Linux need, shown on Linux; `make portable` runs further tests as if it were Windows."""

from __future__ import annotations

import errno
import io
import math
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.distributed.elastic.rendezvous.api import RendezvousError

from alexc import failures
from alexc.__main__ import main
from alexc.commands.compile import _check_distinct, _Target
from alexc.net import Net
from alexc.printable import shell_line
from alexc.runtime.data.folder_tree import DISK
from alexc.runtime.data.store import _allow_open_files
from alexc.runtime.doctor.machine import Memory, machine, memory_here
from alexc.runtime.errors import UserError
from alexc.runtime.files import _is_running, sync_folder
from alexc.runtime.folder_lock import LOCK
from alexc.runtime.parallel.rank import alone
from alexc.runtime.runs.run_folder import RunFolder
from alexc.runtime.training import launch
from alexc.runtime.training.clipping import _norm
from alexc.runtime.training.command import run_training
from alexc.runtime.training.interruption import SIGNALS
from tests.support import tiny_training as tiny
from tests.support.one_process import make_shards_here


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")


def test_make_portable_shows_alexc_another_system() -> None:
    portable = "as_on_windows" in os.environ.get("PYTHONPATH", "")
    assert [each.name for each in SIGNALS] == [
        "SIGINT",
        "SIGTERM",
        *(["SIGQUIT"] if portable else ["SIGUSR1", "SIGHUP"]),
    ]


@pytest.mark.usefixtures("windows")
def test_a_command_is_quoted_for_the_shells_of_windows() -> None:
    assert shell_line("alexc", "train", r"C:\my nets\a.py") == r'alexc train "C:\my nets\a.py"'
    assert shell_line(r"C:\nets\a.py") == r"C:\nets\a.py"


def test_paths_in_a_store_have_slashes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / r"cat\small\1.jpg").touch()
    (entry,) = DISK.entries(tmp_path)
    monkeypatch.setattr(os, "sep", "\\")
    assert DISK.source_file(entry, len(str(tmp_path)) + 1, 0).path == "cat/small/1.jpg"
    assert DISK.file_named(tmp_path, tmp_path, r"cat\2.jpg").path == "cat/2.jpg"


@pytest.mark.usefixtures("windows")
def test_no_process_of_windows_is_sent_a_signal_to_see_if_it_runs() -> None:
    assert _is_running(os.getpid())
    assert not _is_running(os.getppid())


@pytest.mark.usefixtures("windows")
def test_what_windows_cannot_do_is_left_out(tmp_path: Path) -> None:
    sync_folder(tmp_path / "none")
    memory = memory_here()
    assert memory == Memory(math.inf, math.inf, math.inf)
    section = machine(memory)
    assert section.rows[1] == ("memory", "not known on this system")
    assert not section.findings


@pytest.mark.posix
def test_a_limit_of_open_files_that_the_system_does_not_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    import resource

    def refuse(*limit: object) -> None:
        raise ValueError("current limit exceeds maximum limit")

    monkeypatch.setattr(resource, "setrlimit", refuse)
    _allow_open_files(10**9)


def test_a_pipe_that_is_closed_on_windows(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(failures, "_PIPE_CLOSED", (errno.EPIPE, errno.EINVAL))
    monkeypatch.setattr(failures, "discard_output", lambda: None)
    assert failures.report(OSError(errno.EINVAL, "Invalid argument")) == 1
    assert not capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ("--help",),
        ("train", "--help"),
        ("summary", "spec/alexnet.net"),
        ("plan", "spec/alexnet.net", "--placement", "pod"),
        ("diff", "examples/alexnet_2014.net", "spec/alexnet.net"),
        ("explain", "E0101"),
    ],
    ids=" ".join,
)
def test_output_in_the_code_page_of_windows(
    arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, root: Path
) -> None:
    printed = io.BytesIO()
    monkeypatch.chdir(root)
    monkeypatch.setattr(sys, "argv", ["alexc", *arguments])
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(printed, encoding="cp1252"))
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(io.BytesIO(), encoding="cp1252"))
    with suppress(SystemExit):
        main()
    sys.stdout.flush()
    text = printed.getvalue().decode("cp1252")
    assert len(text) > 100
    assert "\\u" not in text


@pytest.mark.parametrize("system", ["win32", "darwin"])
def test_files_whose_names_differ_in_case_are_one_file(system: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", system)
    net = Net.from_text("network A {\n  input 3x4x4\n  f: linear 2\n}\n")
    specs = [Path("one/Cat.net"), Path("two/cat.net")]
    targets = [_Target(Path("generated") / f"{spec.stem}.py", spec, net, None, standalone=False) for spec in specs]
    with pytest.raises(UserError, match="would be written to"):
        _check_distinct(targets)


def test_processes_that_torch_cannot_join_are_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(config: object, program: str) -> Callable[..., None]:
        raise RendezvousError("no store") from RuntimeError("built without libuv support\nat TCPStore.cpp")

    monkeypatch.setattr(launch, "elastic_launch", refuse)
    with pytest.raises(UserError, match=r"cannot start 2 processes .* \(built without libuv support\): train on one"):
        launch._in_processes(tiny.options(tmp_path / "a.py", tmp_path, tmp_path / "run"), 2, RunFolder(tmp_path))


def test_a_run_that_cannot_begin_leaves_only_its_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its log is open until then, and Windows removes no file that is open."""

    def refuse(*arguments: object) -> None:
        raise UserError("the disk is full")

    make_shards_here(monkeypatch)
    network, store = tiny.write_network(tmp_path), tiny.make_store(tmp_path)
    monkeypatch.setattr(RunFolder, "create", refuse)
    with pytest.raises(UserError, match="the disk is full"):
        run_training(tiny.options(network, store, tmp_path / "run"))
    assert {path.name for path in tmp_path.glob("run/*")} <= {LOCK}


def test_gradients_on_an_apple_gpu_are_clipped_without_float64_there() -> None:
    """Tensors without numbers, as if they were on that device, which has no float64."""
    with FakeTensorMode():
        norm = _norm({name: torch.empty(2, device="mps") for name in "ab"}, alone())
    assert (norm.device.type, norm.dtype) == ("cpu", torch.float64)
