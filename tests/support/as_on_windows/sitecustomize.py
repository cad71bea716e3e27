"""Shows alexc a system as Windows is: for `make portable`. Python runs this file at its start, from PYTHONPATH.

`import` statements of alexc get a `sys` whose platform is "win32", and `os` and `signal` without what Windows lacks;
modules of POSIX cannot be imported. All other code, such as torch and the tests, sees the real system. So this does not
replace a test on Windows: paths, processes and the terminal are those of Linux.
"""

from __future__ import annotations

import builtins
import errno
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

_BLOCKED = ("fcntl", "grp", "pwd", "resource", "termios")
_MISSING = {
    "os": (
        "fork forkpty getegid geteuid getgid getuid killpg mkfifo O_DIRECTORY O_NOFOLLOW O_NONBLOCK posix_fadvise "
        "pread pwrite register_at_fork sched_getaffinity setsid statvfs sync sysconf uname wait waitid"
    ),
    "signal": (
        "alarm pthread_kill pthread_sigmask sigwait SIGALRM SIGCHLD SIGCONT SIGHUP SIGKILL SIGPIPE SIGQUIT SIGSTOP "
        "SIGUSR1 SIGUSR2 SIG_BLOCK SIG_SETMASK SIG_UNBLOCK"
    ),
    "sys": "",
}


def _kill(process: int, number: int) -> None:
    raise AssertionError(f"os.kill({process}, {number}) would end the process on Windows")


def _open(path: str | os.PathLike[str], flags: int, mode: int = 0o777) -> int:
    if Path(path).is_dir():
        raise PermissionError(errno.EACCES, "Permission denied", path)
    return os.open(path, flags, mode)


class _Seen(ModuleType):
    """A module as alexc sees it; what tests change in the real one shows here."""

    def __init__(self, real: ModuleType, missing: str, changed: Mapping[str, object]) -> None:
        super().__init__(real.__name__)
        object.__setattr__(self, "_seen", (real, frozenset(missing.split()), changed))

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the module has
        real, missing, changed = object.__getattribute__(self, "_seen")
        if name in missing:
            raise AttributeError(f"module {real.__name__!r} has no attribute {name!r} on Windows")
        return changed[name] if name in changed else getattr(real, name)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(object.__getattribute__(self, "_seen")[0], name, value)


_SEEN = {
    "os": _Seen(os, _MISSING["os"], {"O_BINARY": 0, "kill": _kill, "open": _open}),
    "signal": _Seen(signal, _MISSING["signal"], {"SIGBREAK": signal.SIGQUIT}),
    "sys": _Seen(sys, _MISSING["sys"], {"platform": "win32"}),
}
_import = builtins.__import__


def _import_as_on_windows(
    name: str,
    globals: Mapping[str, object] | None = None,
    locals: Mapping[str, object] | None = None,
    fromlist: tuple[str, ...] = (),
    level: int = 0,
) -> ModuleType:
    importer = str((globals or {}).get("__package__") or "").partition(".")[0]
    if importer != "alexc" or level > 0:
        return _import(name, globals, locals, fromlist, level)
    if name in _BLOCKED:
        raise ModuleNotFoundError(f"No module named {name!r} on Windows", name=name)
    if name == "filelock" and name not in _SEEN:
        _SEEN[name] = _Seen(_import(name), "", {"FileLock": _file_lock()})
    return _SEEN.get(name) or _import(name, globals, locals, fromlist, level)


def _file_lock() -> type:
    """A lock that removes its file when it lets go, as that of Windows does."""
    from filelock import UnixFileLock

    class WindowsFileLock(UnixFileLock):
        def _release(self) -> None:
            super()._release()
            Path(self.lock_file).unlink(missing_ok=True)

    return WindowsFileLock


def _refuse_what_is_open(event: str, arguments: tuple[Any, ...]) -> None:
    """Windows neither removes nor replaces a file that is open or mapped, nor moves a folder with such a file."""
    if event not in ("os.remove", "os.rename", "os.rmdir") or not _is_of_alexc(sys._getframe(1)):
        return
    paths, folders = (arguments[:2], arguments[2:]) if event == "os.rename" else (arguments[:1], arguments[1:])
    in_use = set(_open_files())
    for path, folder in zip(paths, folders, strict=True):
        above = Path(f"/proc/self/fd/{folder}").readlink() if folder >= 0 else Path()
        named = above / os.fsdecode(path)
        name = str(named.parent.resolve() / named.name)
        if any(each == name or each.startswith(f"{name}/") for each in in_use):
            raise PermissionError(errno.EACCES, "The process cannot access the file because it is in use", name)


def _is_of_alexc(frame: FrameType | None) -> bool:
    while frame is not None:
        package = str(frame.f_globals.get("__name__")).partition(".")[0]
        if package in ("alexc", "tests", "_pytest", "multiprocessing", "tempfile"):  # the last two know the system
            return package == "alexc"
        frame = frame.f_back
    return False


def _open_files() -> Iterator[str]:
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # that of the list itself
            if descriptor.is_file():
                yield str(descriptor.readlink())
    for line in Path("/proc/self/maps").read_text(encoding="utf-8").splitlines():
        _, slash, path = line.partition("/")
        if slash:
            yield f"/{path}"


builtins.__import__ = _import_as_on_windows  # type: ignore[assignment]
sys.addaudithook(_refuse_what_is_open)
