"""Runs `alexc` in processes that are forked from one which has imported torch: each starts in milliseconds.

A process of its own can be killed, stopped by a signal and shown a full disk. Importing torch in each of them would
take most of the time of the tests.
"""

from __future__ import annotations

import atexit
import ctypes
import importlib
import json
import os
import pkgutil
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
import weakref
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import NoReturn

import alexc.__main__
from alexc import commands

# torch itself imports torch._dynamo when it makes an optimiser.
_LOADED = ("torch", "torch._dynamo", "alexc.runtime.training.command", "alexc.runtime.training.curves")
_NEW_MOUNTS = 0x00020000  # CLONE_NEWNS of setns(2)


@dataclass(frozen=True)
class _Request:
    """What the server is to run, and where its output goes."""

    arguments: list[str]
    cwd: str
    environment: dict[str, str]
    output: str
    errors: str
    mounts: str | None
    first: str


class Command:
    """`alexc` with some arguments, in a process and a session of its own.

    It has the part of the interface of `subprocess.Popen` that the tests use. A warning is an error in it.

    Args:
        arguments: the arguments of `alexc`.
        cwd: the folder in which it runs.
        mounts: a file of /proc that names the mount namespace in which it runs; None: that of this process.
        first: Python that it runs before the command.
    """

    def __init__(self, *arguments: object, cwd: Path, mounts: str | None = None, first: str = "") -> None:
        self.returncode: int | None = None
        folder = tempfile.mkdtemp()
        weakref.finalize(self, shutil.rmtree, folder)
        self._output, self._errors = (Path(folder) / name for name in ("stdout", "stderr"))
        settings = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "error"}
        paths = str(self._output), str(self._errors)
        request = _Request([*map(str, arguments)], str(cwd), settings, *paths, mounts, first)
        self.pid = int(_ask(asdict(request)))

    def poll(self) -> int | None:
        """The exit code, minus the number of a signal that ended it, or None while it runs."""
        if self.returncode is None:
            self.returncode = json.loads(_ask(self.pid))
        return self.returncode

    def wait(self, timeout: float = 60) -> int:
        """The exit code.

        Raises:
            AssertionError: it did not end in time; it was killed.
        """
        deadline = time.monotonic() + timeout
        while (code := self.poll()) is None:
            if time.monotonic() > deadline:
                self.kill()
                raise AssertionError(f"it does not end:\n{self.printed}{self._errors.read_text()}")
            time.sleep(0.005)
        return code

    def communicate(self, timeout: float = 60) -> tuple[str, str]:
        """Wait for its end; returns what it wrote to standard output and standard error."""
        self.wait(timeout)
        return self.printed, self._errors.read_text()

    @property
    def printed(self) -> str:
        """What it wrote to standard output until now."""
        return self._output.read_text()

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)
        self.wait()


def _ask(request: dict[str, object] | int) -> str:
    """Send a request or a process id to the server; returns the id of the new process, or how that process ended."""
    server = _server()
    assert server.stdin is not None
    assert server.stdout is not None
    server.stdin.write(json.dumps(request) + "\n")
    server.stdin.flush()
    return server.stdout.readline()


@cache
def _server() -> subprocess.Popen[str]:
    """The process from which commands are forked; it ends with this one, which closes the pipe."""
    return subprocess.Popen(
        [sys.executable, "-m", __name__],
        cwd=Path(__file__).parents[2],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def _serve() -> None:
    """Answer each line of standard input: fork for a request; for a process id, print how the process ended."""
    for name in (*_LOADED, *(f"alexc.commands.{module.name}" for module in pkgutil.iter_modules(commands.__path__))):
        importlib.import_module(name)
    sys.modules["__main__"] = alexc.__main__  # as `python -m alexc` has it
    for line in sys.stdin:
        asked = json.loads(line)
        if isinstance(asked, int):
            ended, status = os.waitpid(asked, os.WNOHANG)
            answer = os.waitstatus_to_exitcode(status) if ended else None
        else:
            request = _Request(**asked)
            Path(request.output).touch()
            Path(request.errors).touch()
            answer = os.fork()
            if answer == 0:
                _run(request)
        print(json.dumps(answer), flush=True)


def _run(request: _Request) -> NoReturn:
    """In the forked process: set it up as a new one would be, run the command, and end."""
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number, path in enumerate((os.devnull, request.output, request.errors)):
        os.dup2(os.open(path, os.O_RDWR | os.O_APPEND), number)
    sys.stdin, sys.stdout = open(0), open(1, "w")  # noqa: SIM115 - until the process ends
    sys.stderr = open(2, "w", buffering=1, errors="backslashreplace")  # noqa: SIM115
    if request.mounts is not None:
        with open(request.mounts) as mounts:  # noqa: PTH123
            assert ctypes.CDLL(None).setns(mounts.fileno(), _NEW_MOUNTS) == 0
    os.chdir(request.cwd)
    sys.path[0] = request.cwd
    os.environ.clear()
    os.environ.update(request.environment)
    warnings.simplefilter("error")
    sys.argv = [alexc.__main__.__file__, *request.arguments]
    code: object = 1
    try:
        exec(request.first, {})
        alexc.__main__.main()
        code = 0
    except SystemExit as ended:
        code = ended.code or 0
    except BaseException:
        traceback.print_exc()
    finally:
        atexit._run_exitfuncs()
        sys.stdout.flush()
        os._exit(code if isinstance(code, int) else 1)


if __name__ == "__main__":
    _serve()
