"""Runs tasks in worker processes that end cleanly: at Ctrl-C, when one dies, when the parent is killed."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager
from ctypes import c_bool
from functools import cache
from itertools import islice
from multiprocessing import spawn
from multiprocessing.context import BaseContext
from multiprocessing.util import Finalize
from typing import TypeVar

from alexc.printable import printable

from ..errors import UserError
from ..temporary_folder import temporary_folder

Task = TypeVar("Task")

_TEMPLATE = "alexc.runtime.data.worker_template"
_ONE_THREAD = {"OMP_NUM_THREADS": "1"}  # one process per core
_SAFE_PATH = {"PYTHONSAFEPATH": "1"}  # a queue.py in the current folder is not the standard library's
_DEFAULTS = (signal.SIG_DFL, signal.default_int_handler)  # a program of the user, or nohup, may want something else
_LONGEST_FOLDER_OF_SOCKETS = 107 - len("/listener-12345678")  # bytes; the path of a socket has at most 107
_SECONDS_BETWEEN_LOOKS = 0.1  # at the signals that came
_MOST_WORKERS = 61 if sys.platform == "win32" else sys.maxsize  # Windows waits for no more processes at once
if sys.platform == "win32":
    _OF_THE_TERMINAL = (signal.SIGINT, signal.SIGBREAK)  # the workers get them too
else:
    _OF_THE_TERMINAL = (signal.SIGINT, signal.SIGHUP)
_ENDING = (*_OF_THE_TERMINAL, signal.SIGTERM)

_stop = c_bool(False)
_starting = threading.Lock()  # held by the thread that starts workers


class Stopped(Exception):  # noqa: N818 - the parent's wish, not an error
    """The task ended because the parent asked to stop."""


class WorkerDied(Exception):  # noqa: N818 - a finding, which the caller explains to the user
    """A worker process was killed from outside or ran out of memory.

    Attributes:
        tasks: the tasks that were in progress.
    """

    def __init__(self, tasks: Sequence[object]) -> None:
        super().__init__(f"a worker process died in the middle of a task: one of {tasks}")
        self.tasks = tasks


def run_in_workers(
    function: Callable[[Task], None], tasks: Iterable[Task], workers: int, finished: Callable[[Task], None]
) -> None:
    """Call `function` with each task, in up to `workers` processes.

    Args:
        function: does one task; a long one calls `leave_if_asked` regularly.
        tasks: the tasks, in any order, requested as they are needed.
        workers: the number of processes.
        finished: called in this process after each task.

    Raises:
        WorkerDied: a process ended during a task. Exceptions of `function` are raised here too.
    """
    context, workers = start_importing(), min(workers, _MOST_WORKERS)
    # Without a lock: a worker that is killed while it holds one would block the others.
    stop = context.RawValue(c_bool, False)
    with _exits_by_signals() as noticed, ProcessPoolExecutor(workers, context, _start_worker, (stop,)) as pool:
        try:
            _run(pool, function, tasks, workers, finished, noticed)
        finally:
            stop.value = True


def start_importing() -> BaseContext:
    """Start a process that imports torch once for all later workers, which share it; returns at once.

    It lives as long as this process. Only on Linux; elsewhere each worker imports torch itself, because macOS's
    libraries do not support fork.
    """
    if sys.platform != "linux":
        return multiprocessing.get_context("spawn")
    from multiprocessing import forkserver, resource_tracker

    with _held_back(signal.SIGHUP):
        resource_tracker.ensure_running()  # before interrupts are blocked, because it unblocks them
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([_TEMPLATE])
    _use_own_folder_for_sockets()
    with _held_back(*_OF_THE_TERMINAL), _environment(_ONE_THREAD | _SAFE_PATH):  # workers inherit both
        forkserver.ensure_running()
    return context


def leave_if_asked() -> None:
    """Called by a task in a worker.

    Raises:
        Stopped: the parent wants all work to end.
    """
    if _stop.value:
        raise Stopped


def _run(
    pool: ProcessPoolExecutor,
    function: Callable[[Task], None],
    tasks: Iterable[Task],
    workers: int,
    finished: Callable[[Task], None],
    noticed: Sequence[int],
) -> None:
    """Keep `workers` tasks in progress and no more, because a pool cannot cancel a task that it has accepted.

    Returns when all are finished, or when there is a signal in `noticed`.
    """
    waiting = iter(tasks)
    running: dict[Future[None], Task] = {}
    try:
        while not noticed:
            with _held_back(*_OF_THE_TERMINAL), _without_main():  # a worker that starts here inherits this
                for task in islice(waiting, workers - len(running)):
                    running[pool.submit(function, task)] = task
            if not running:
                return
            for future in wait(running, _SECONDS_BETWEEN_LOOKS, FIRST_COMPLETED).done:
                future.result()
                finished(running.pop(future))
    except BrokenProcessPool:
        raise WorkerDied(list(running.values())) from None


@contextmanager
def _without_main() -> Iterator[None]:
    """Do not let workers that this thread starts import the caller's script, which they need nothing of.

    A script without `if __name__ == "__main__":` would start the same work again in each of them.
    """
    here = threading.get_ident()

    def preparation_data(name: str) -> dict[str, object]:
        data = before(name)
        hidden = {"init_main_from_name", "init_main_from_path"} if threading.get_ident() == here else set()
        return {key: value for key, value in data.items() if key not in hidden}

    with _starting:
        before = spawn.get_preparation_data
        spawn.get_preparation_data = preparation_data
        try:
            yield
        finally:
            spawn.get_preparation_data = before


@contextmanager
def _held_back(*signals: signal.Signals) -> Iterator[None]:
    """Block the signals in this thread, and in processes that it starts; Windows cannot."""
    if sys.platform == "win32":
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@cache
def _use_own_folder_for_sockets() -> None:
    """Let multiprocessing use a folder that a later command removes if this process is killed."""
    settings = multiprocessing.current_process()._config  # type: ignore[attr-defined]  # there is no public way
    if "tempdir" in settings:
        return
    held = ExitStack()
    folder = held.enter_context(temporary_folder())
    if len(os.fsencode(folder)) > _LONGEST_FOLDER_OF_SOCKETS:
        held.close()
        above = printable(folder.parent)
        raise UserError(f"the path of the temporary folder {above} is too long for sockets: set TMPDIR to another")
    settings["tempdir"] = str(folder)
    Finalize(None, held.close, exitpriority=0)


@contextmanager
def _exits_by_signals() -> Iterator[list[int]]:
    """Collect the signals in `_ENDING` in the list. At the end of the block, the first one ends this process.

    An exception in the middle of the block would lose a worker that is just starting.

    Raises:
        KeyboardInterrupt: Ctrl-C came.
        SystemExit: another one came.
    """
    noticed: list[int] = []
    here = threading.current_thread() is threading.main_thread()
    before = {each: signal.getsignal(each) for each in _ENDING if here}
    before = {each: handler for each, handler in before.items() if handler in _DEFAULTS}
    for each in before:
        signal.signal(each, lambda number, _frame: noticed.append(number))
    try:
        yield noticed
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
        if noticed:
            raise KeyboardInterrupt if noticed[0] == signal.SIGINT else SystemExit(128 + noticed[0]) from None


@contextmanager
def _environment(changed: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in changed}
    os.environ |= changed
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _start_worker(stop: c_bool) -> None:
    global _stop  # noqa: PLW0603 - shared memory reaches a worker when it starts, not with a task
    _stop = stop
    if sys.platform == "win32":
        for each in _OF_THE_TERMINAL:
            signal.signal(each, signal.SIG_IGN)
    os.environ |= _ONE_THREAD
    try:
        import torch  # noqa: F401
    except (ImportError, OSError, MemoryError):  # too little memory: the parent reports that a worker died
        os._exit(1)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End when the parent is gone: a parent that was killed cannot tell its workers."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
