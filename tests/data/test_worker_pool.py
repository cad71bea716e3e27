"""Signals and dead processes at the moment in which a worker starts."""

from __future__ import annotations

import multiprocessing
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import spawn
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import pytest

from alexc.runtime.data.worker_pool import WorkerDied, _exits_by_signals, _run, _use_own_folder_for_sockets
from alexc.runtime.errors import UserError
from tests.support.commands import Command
from tests.support.tiny_training import make_images

SIGNALS: dict[signal.Signals, Any] = {
    signal.SIGINT: signal.default_int_handler,
    signal.SIGTERM: signal.SIG_DFL,
    signal.SIGHUP: signal.SIG_DFL,
}


@pytest.fixture(autouse=True)
def _handlers() -> Iterator[None]:
    before = {number: signal.signal(number, handler) for number, handler in SIGNALS.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


class Pool:
    """A pool whose workers start with something happening to them."""

    def __init__(self, happens: Callable[[], None]) -> None:
        self.started: list[int] = []
        self._happens = happens

    def submit(self, function: Callable[[int], None], task: int) -> Future[None]:
        self._happens()
        self.started.append(task)
        done: Future[None] = Future()
        function(task)
        done.set_result(None)
        return done

    def run(self, tasks: int, noticed: list[int]) -> None:
        pool = cast(ProcessPoolExecutor, self)
        _run(pool, lambda _: None, range(tasks), 2, lambda _: None, noticed)


@pytest.mark.parametrize(
    ("number", "ending"),
    [
        (2, KeyboardInterrupt()),
        (15, SystemExit(143)),
        pytest.param(1, SystemExit(129), marks=pytest.mark.posix),  # SIGHUP
    ],
)
def test_a_signal_while_a_worker_starts_loses_no_worker(number: int, ending: BaseException) -> None:
    pool = Pool(lambda: signal.raise_signal(number))
    with pytest.raises(type(ending)) as ended, _exits_by_signals() as noticed:
        pool.run(4, noticed)
    assert ended.value.args == ending.args
    assert pool.started == [0, 1]  # the pool knows both, so it waits for both; no third one is started
    assert {number: signal.getsignal(number) for number in SIGNALS} == SIGNALS


def test_workers_that_get_the_signal_too_do_not_count_as_dead() -> None:
    def ends_all() -> None:
        signal.raise_signal(signal.SIGTERM)
        raise BrokenProcessPool

    with pytest.raises(SystemExit) as ended, _exits_by_signals() as noticed:
        Pool(ends_all).run(4, noticed)
    assert ended.value.code == 143


def test_a_pool_that_breaks_between_two_tasks() -> None:
    def breaks() -> None:
        if len(pool.started) == 1:
            raise BrokenProcessPool

    pool = Pool(breaks)
    with pytest.raises(WorkerDied) as died:
        pool.run(4, [])
    assert died.value.tasks == [0]


def test_a_temporary_folder_that_is_too_long_for_sockets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = tmp_path / ("t" * 100)
    deep.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(deep))
    monkeypatch.setattr(multiprocessing.current_process(), "_config", {})  # of before any worker
    with pytest.raises(UserError, match=r"is too long for sockets: set TMPDIR to another"):
        _use_own_folder_for_sockets.__wrapped__()
    assert not list(deep.iterdir())


SCRIPT = """
from pathlib import Path
from alexc.runtime.data.prepare import prepare
from alexc.runtime.data.store import Geometry
print("the script runs", flush=True)
print(prepare(Path("images"), Path("store"), Geometry(24, 20), workers=2).classes)
"""


@pytest.mark.slow
def test_a_script_without_a_guard_is_not_run_by_workers(tmp_path: Path) -> None:
    make_images(tmp_path / "images")
    (tmp_path / "script.py").write_text(SCRIPT)
    first = "import runpy; runpy.run_path('script.py', run_name='__main__')"
    process = Command("explain", "E0301", cwd=tmp_path, first=first)
    printed, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    assert printed.startswith("the script runs\n('")
    assert printed.count("the script runs") == 1


def test_only_the_thread_that_starts_workers_hides_its_script(monkeypatch: pytest.MonkeyPatch) -> None:
    def keys() -> set[str]:
        return {key for key in spawn.get_preparation_data("any") if key.startswith("init_main")}

    seen: list[set[str]] = []

    def looks() -> None:
        seen.append(keys())
        other = threading.Thread(target=lambda: seen.append(keys()))
        other.start()
        other.join()

    before = spawn.get_preparation_data
    main = ModuleType("__main__")
    main.__file__ = "script.py"
    monkeypatch.setitem(sys.modules, "__main__", main)
    Pool(looks).run(1, [])
    assert seen == [set(), {"init_main_from_path"}]
    assert spawn.get_preparation_data is before
