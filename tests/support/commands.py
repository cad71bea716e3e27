"""Runs `alexc` in processes that are forked from one which has imported torch: each starts in milliseconds.

A process of its own can be killed, stopped by a signal and shown a full disk. Importing torch in each of them would
take most of the time of the tests. The ranks that `alexc train` starts are forked as well, and so is the process from
which multiprocessing forks workers.
"""

from __future__ import annotations

import atexit
import ctypes
import gc
import importlib
import json
import os
import pkgutil
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import warnings
import weakref
from dataclasses import asdict, dataclass
from functools import cache
from itertools import pairwise
from multiprocessing import util
from pathlib import Path
from typing import IO, Any, NoReturn

import alexc.__main__
from alexc import commands

# torch itself imports torch._dynamo when it makes an optimiser.
_LOADED = (
    "torch",
    "torch._dynamo",
    "torch.distributed.elastic.multiprocessing.subprocess_handler.subprocess_handler",
    "torch.distributed.elastic.rendezvous.c10d_rendezvous_backend",
    "torch.utils.serialization.config",
    "alexc.cli",
    "alexc.failures",
    "alexc.language_server.server",
    "alexc.runtime.training.command",
    "alexc.runtime.training.curves",
)
_NEW_MOUNTS = 0x00020000  # CLONE_NEWNS of setns(2)


@dataclass(frozen=True)
class _Request:
    """What the server is to run, and where its output goes."""

    arguments: list[str]
    cwd: str
    environment: dict[str, str]
    input: str
    output: str
    errors: str
    mounts: str | None
    first: str
    program: str


@dataclass(frozen=True)
class _Server:
    """A process that forks others, as seen from the process that asks it to; it ends when `requests` is closed."""

    requests: IO[str]
    answers: IO[str]

    def start(self, request: _Request) -> int:
        """Returns the process id of a new process that runs `alexc`."""
        return int(self._answer(asdict(request)))

    def ended(self, pid: int) -> int | None:
        """The exit code of a process that it started, as `_Process.poll` gives it; None while it runs."""
        return json.loads(self._answer(pid))  # type: ignore[no-any-return]

    def _answer(self, request: dict[str, object] | int) -> str:
        self.requests.write(json.dumps(request) + "\n")
        self.requests.flush()
        return self.answers.readline()


class _Process:
    """A process that a server has forked, with a part of the interface of `subprocess.Popen`."""

    def __init__(self, server: _Server, request: _Request) -> None:
        self._server = server
        self.returncode: int | None = None
        self.pid = server.start(request)
        descriptor = os.pidfd_open(self.pid)  # readable when the process has ended
        weakref.finalize(self, os.close, descriptor)
        self._end = select.poll()
        self._end.register(descriptor, select.POLLIN)

    def poll(self) -> int | None:
        """The exit code, minus the number of a signal that ended it, or None while it runs."""
        return self._code_within(0)

    def _code_within(self, seconds: float) -> int | None:
        if self.returncode is None and self._end.poll(1000 * seconds):
            self.returncode = self._server.ended(self.pid)
        return self.returncode

    def wait(self, timeout: float = 60) -> int:
        """The exit code.

        Raises:
            subprocess.TimeoutExpired: it did not end in time.
        """
        code = self._code_within(timeout)
        if code is None:
            raise subprocess.TimeoutExpired("alexc", timeout)
        return code

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)
        self.wait()


class Command(_Process):
    """`alexc` with some arguments, in a process and a session of its own. A warning is an error in it.

    Args:
        arguments: the arguments of `alexc`.
        cwd: the folder in which it runs.
        mounts: a file of /proc that names the mount namespace in which it runs; None: that of this process.
        first: Python that it runs before the command.
        program: a module whose `main` it runs in place of that of `alexc`.
        pipes: named pipes that are its standard input and output, in place of nothing and of the file of `printed`.
    """

    def __init__(
        self,
        *arguments: object,
        cwd: Path,
        mounts: str | None = None,
        first: str = "",
        program: str = "alexc.__main__",
        pipes: tuple[Path, Path] | None = None,
    ) -> None:
        folder = tempfile.mkdtemp()
        weakref.finalize(self, shutil.rmtree, folder)
        self._output, self._errors = (Path(folder) / name for name in ("stdout", "stderr"))
        for path in (self._output, self._errors):
            path.touch()
        settings = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "error"}
        given, output = map(str, pipes or (os.devnull, self._output))
        errors = str(self._errors)
        request = _Request([*map(str, arguments)], str(cwd), settings, given, output, errors, mounts, first, program)
        super().__init__(_server(), request)

    def communicate(self, timeout: float = 60) -> tuple[str, str]:
        """Wait for its end; returns what it wrote to standard output and standard error.

        Raises:
            AssertionError: it did not end in time; it was killed.
        """
        try:
            self.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"it does not end:\n{self.printed}{self.complaints}") from None
        return self.printed, self.complaints

    @property
    def printed(self) -> str:
        """What it wrote to standard output until now."""
        return self._output.read_text()

    @property
    def complaints(self) -> str:
        """What it wrote to standard error until now."""
        return self._errors.read_text()


@cache
def _server() -> _Server:
    """The process from which commands are forked."""
    process = _process()
    assert process.stdin is not None
    assert process.stdout is not None
    return _Server(process.stdin, process.stdout)


@cache
def _process() -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", __name__],
        cwd=Path(__file__).parents[2],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def _serve(requests: IO[str], answers: IO[str]) -> None:
    """Answer each line: fork for a request; for a process id, print how the process ended."""
    for line in requests:
        asked = json.loads(line)
        if isinstance(asked, int):
            ended, status = os.waitpid(asked, os.WNOHANG)
            answer = os.waitstatus_to_exitcode(status) if ended else None
        else:
            answer = os.fork()
            if answer == 0:
                _run(_Request(**asked))
            while os.getpgid(answer) != answer:  # until it has a session of its own, as a new process of Popen has
                time.sleep(0.001)
        print(json.dumps(answer), file=answers, flush=True)


def _fork_ranks(request: _Request) -> None:
    """Let the launcher of this process start its ranks in a process that is forked now, while it has one thread."""
    from torch.distributed.elastic.multiprocessing.subprocess_handler import subprocess_handler

    requests, answers = os.pipe(), os.pipe()
    if os.fork() == 0:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # which a test may send to all processes of the session
        os.close(requests[1])
        _serve(os.fdopen(requests[0]), os.fdopen(answers[1], "w"))
        os._exit(0)
    os.close(requests[0])
    server = _Server(os.fdopen(requests[1], "w"), os.fdopen(answers[0]))

    def start(_handler: object, arguments: tuple[str, ...], environment: dict[str, str]) -> _Process:
        options = [*arguments[arguments.index("alexc") + 1 :]]  # it starts `python -m alexc …`
        streams = os.devnull, request.output, request.errors
        return _Process(server, _Request(options, request.cwd, environment, *streams, None, "", "alexc.__main__"))

    subprocess_handler.SubprocessHandler._popen = start  # type: ignore[method-assign, assignment]


def _fork_the_fork_server() -> None:
    """Let multiprocessing fork the process from which it forks workers, in place of a new one that imports torch."""
    new_process = util.spawnv_passfds

    def start(path: bytes, arguments: list[Any], passed: list[int]) -> int:
        program = str(arguments[-1])
        if "multiprocessing.forkserver" not in program or threading.active_count() > 1:
            return new_process(path, arguments, passed)
        child = os.fork()
        if child == 0:
            _be_the_fork_server(program, passed)
        return child

    util.spawnv_passfds = start  # type: ignore[assignment]


def _be_the_fork_server(program: str, passed: list[int]) -> NoReturn:
    """Run a program of Python with only these descriptors and the signals of a new process."""
    Path("/proc/self/comm").write_text("forkserver")  # how a test finds it
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1):
        if callable(signal.getsignal(number)):
            signal.signal(number, signal.SIG_DFL)
    kept = [*util._finalizer_registry.values()]  # type: ignore[attr-defined]  # which would close what is not theirs
    for low, high in pairwise([*sorted({0, 1, 2, *passed}), os.sysconf("SC_OPEN_MAX")]):
        os.closerange(low + 1, high)
    try:
        exec(program, {"kept": kept})
    finally:
        os._exit(0)


def _run(request: _Request) -> NoReturn:
    """In the forked process: set it up as a new one would be, run the command, and end."""
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number, path in enumerate((request.input, request.output, request.errors)):
        opened = os.open(path, os.O_WRONLY | os.O_APPEND if number else os.O_RDONLY)
        os.dup2(opened, number)
        os.close(opened)  # a reader of a pipe waits until no process has it open for writing
    # A rank replaces those of the process from which it is forked, which must not close the descriptors.
    sys.stdin, sys.stdout = open(0, closefd=False), open(1, "w", closefd=False)  # noqa: SIM115 - until the process ends
    sys.stderr = open(2, "w", buffering=1, errors="backslashreplace", closefd=False)  # noqa: SIM115
    if request.mounts is not None:
        with open(request.mounts) as mounts:  # noqa: PTH123
            assert ctypes.CDLL(None).setns(mounts.fileno(), _NEW_MOUNTS) == 0
    os.chdir(request.cwd)
    sys.path[0] = request.cwd
    os.environ.clear()
    os.environ.update(request.environment)
    if "RANK" in request.environment:
        Path("/proc/self/comm").write_text(f"rank {request.environment['RANK']}")  # how a test finds it
    else:
        _fork_ranks(request)
    _fork_the_fork_server()
    warnings.simplefilter("error")
    sys.argv = [request.program, *request.arguments]
    code: object = 1
    try:
        exec(request.first, {})
        importlib.import_module(request.program).main()
        code = 0
    except SystemExit as ended:
        code = ended.code or 0
    except BaseException:
        traceback.print_exc()
    finally:
        atexit._run_exitfuncs()
        if not sys.stdout.closed:  # `alexc lsp` closes it
            sys.stdout.flush()
        os._exit(code if isinstance(code, int) else 1)


def _warm_up() -> None:
    """Fill the caches that most commands fill: the kinds of layers, and the template of the curves."""
    from alexc.compiler.layers.registry import kinds
    from alexc.runtime.training.curves import draw_curves

    kinds()
    with tempfile.TemporaryDirectory() as folder:
        draw_curves([{"kind": "step", "step": 1, "loss": 1.0, "rate": 0.01}], "run", 1, Path(folder) / "curves.png")


if __name__ == "__main__":
    for name in (*_LOADED, *(f"alexc.commands.{module.name}" for module in pkgutil.iter_modules(commands.__path__))):
        importlib.import_module(name)
    _warm_up()
    sys.modules["__main__"] = alexc.__main__  # as `python -m alexc` has it
    gc.collect()
    gc.freeze()  # a search for garbage would read, and so copy, most of the memory that the processes share
    _serve(sys.stdin, sys.stdout)
