"""What the command line says about signals, a lost standard output, and memory: none of it is a bug of alexc."""

from __future__ import annotations

import ast
import errno
import io
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import typer

import alexc
import alexc.__main__ as program
from alexc import Net, SpecError, failures
from alexc.commands.compile import compile_
from alexc.commands.fmt import _diff
from alexc.commands.plan import plan_
from alexc.runtime.data.worker_pool import _exits_by_signals
from alexc.runtime.errors import UserError
from alexc.runtime.runs.console import print_note
from alexc.runtime.training.interruption import SIGNALS, Interruption

if TYPE_CHECKING:
    from typing_extensions import Buffer

STEERS = "\x1b[31m"
NETWORK = "network A {\n  input 3x8x8\n  fc: linear 2 -> softmax\n}\n"
SPEC = f"{NETWORK}placement two {{\n  mesh gpu=2\n  split images by gpu\n}}\n"


@pytest.fixture(autouse=True)
def _handlers_stay() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


class Lost(io.TextIOBase):
    """A standard output that cannot be written."""

    def __init__(self, number: int) -> None:
        self.number = number

    def write(self, text: str) -> int:
        raise OSError(self.number, os.strerror(self.number))


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (
            OSError(errno.ENOSPC, "No space left on device"),
            1,
            "error: standard output cannot be written (No space left",
        ),
        (OSError(errno.EPIPE, "Broken pipe"), 1, ""),
        (MemoryError(), 1, "error: not enough memory (MemoryError)"),
        (ImportError("libtorch_cpu.so: failed to map segment from shared object"), 1, "error: not enough memory (libt"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), 1, "error: not enough memory"),
        (
            OSError(errno.ENAMETOOLONG, "File name too long", f"x{STEERS}"),
            1,
            "error: x\\x1b[31m cannot be used (file name too long): name another path\n",
        ),
        (PermissionError(errno.EACCES, "Permission denied", "x"), 1, "error: x cannot be used (permission denied)"),
        (UserError(f"a{STEERS}b\nc\td"), 1, "error: a\\x1b[31mb\nc\td\n"),
        (SpecError(f"{STEERS}.net: no"), 1, "error: \\x1b[31m.net: no\n"),
        (ImportError("no module"), 70, "Please report it"),
        (OSError(errno.ENOENT, "No such file", "x"), 70, "Please report it"),
    ],
    ids=repr,
)
def test_what_is_no_bug_is_not_called_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception, code: int, words: str
) -> None:
    monkeypatch.setattr(failures, "discard_output", lambda: None)
    assert failures.report(error) == code
    said = capsys.readouterr().err
    assert words in said
    assert ("Please report it" in said) == (code == 70)
    assert STEERS not in said


def test_a_full_disk_behind_standard_output_shows_at_the_end(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Full(io.StringIO):
        def flush(self) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(failures, "discard_output", lambda: None)
    monkeypatch.setattr(sys, "argv", ["alexc", "explain"])
    monkeypatch.setattr(sys, "stdout", Full())
    with pytest.raises(SystemExit) as ended:
        program.main()
    assert ended.value.code == 1
    assert capsys.readouterr().err.startswith("error: standard output cannot be written (No space left on device)")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_terminal_without_a_character_gets_an_escape(monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding=encoding))
    failures.escape_what_the_terminal_lacks()
    print("… é", flush=True)
    assert raw.getvalue().decode("latin-1") == {"ascii": "\\u2026 \\xe9\n", "latin-1": "\\u2026 é\n"}[encoding]


def test_ctrl_c_before_the_command_ends_with_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(failures, "escape_what_the_terminal_lacks", interrupted)
    with pytest.raises(SystemExit) as ended:
        program.main()
    assert ended.value.code == 130


def test_nothing_is_imported_before_main_catches_ctrl_c() -> None:
    for module, needed in ((program, ["import sys"]), (alexc, [])):
        assert module.__file__ is not None
        body = ast.parse(Path(module.__file__).read_text()).body
        imported = [each for each in body if isinstance(each, (ast.Import, ast.ImportFrom))]
        assert [ast.unparse(each) for each in imported] == ["from __future__ import annotations", *needed]


@pytest.mark.parametrize("number", [errno.EPIPE, errno.ENOSPC])
def test_a_lost_standard_output_ends_a_training_as_sigterm_does(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    monkeypatch.setattr(sys, "stdout", Lost(number))
    with Interruption() as interruption:
        print_note("epoch 1")
        print_note("the rest goes nowhere")
        assert interruption.signal == signal.SIGTERM
    sys.stdout.close()


@pytest.mark.posix
def test_a_terminal_that_closes_ends_a_training_as_sigterm_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Lost(errno.EIO))
    with Interruption() as interruption:
        signal.raise_signal(signal.SIGHUP)
        signal.raise_signal(signal.SIGHUP)  # the shell's and the terminal's
        assert interruption.signal == signal.SIGHUP


def test_a_signal_that_comes_while_a_line_is_printed_is_told(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Python refuses to print to a stream while it prints to this stream."""

    class Signalled(io.RawIOBase):
        def writable(self) -> bool:
            return True

        def write(self, content: Buffer) -> int:
            if interruption.signal is None:
                signal.raise_signal(signal.SIGTERM)
            return len(memoryview(content))

    with Interruption() as interruption:
        monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(io.BufferedWriter(Signalled())))
        print("a line", file=sys.stderr, flush=True)
        assert interruption.signal == signal.SIGTERM
    assert capfd.readouterr().err == "SIGTERM: stopping after this step; a second signal ends at once\n"


@pytest.mark.posix
def test_nohup_is_respected() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with Interruption() as interruption:
        signal.raise_signal(signal.SIGHUP)
        assert interruption.signal is None
    assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGHUP, marks=pytest.mark.posix)])
def test_signals_end_prepare_with_its_workers(number: signal.Signals) -> None:
    signal.signal(number, signal.SIG_DFL)
    with pytest.raises(SystemExit) as ended, _exits_by_signals():
        signal.raise_signal(number)
    assert ended.value.code == 128 + number
    assert signal.getsignal(number) == signal.SIG_DFL


def test_names_and_comments_reach_the_terminal_without_steering_characters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    spec = Path(f"a{STEERS}.net")
    spec.write_text(SPEC)
    Path("plain.net").write_text(SPEC)
    net = Net.from_file(spec)
    messages = [str(net.diff(net)), repr(net), _diff(spec, f"# {STEERS}\x85\r\tx\n", f"#{STEERS}")]
    for call in (
        lambda: net.plan(f"x{STEERS}"),
        lambda: Net.from_file("plain.net", f"b{STEERS}.net"),
    ):
        with pytest.raises(UserError) as raised:
            call()
        messages.append(str(raised.value))
    with pytest.raises(typer.Exit):
        compile_([spec])
    messages.append(capsys.readouterr().err)
    compile_([Path("plain.net")], out=Path(f"out{STEERS}"))
    with pytest.raises(UserError) as raised:
        compile_([Path("plain.net"), Path("plain.net")], out=Path(f"out{STEERS}"))
    plan_(spec)
    messages += [str(raised.value), capsys.readouterr().out]
    assert all("\\x1b[31m" in message for message in messages), messages
    assert not any(STEERS in message for message in messages), messages
    assert "\n-# \\x1b[31m\\x85\\r\tx\n+#\\x1b[31m\n\\ No newline" in messages[2]
