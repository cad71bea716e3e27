"""Exit codes and messages of the command line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.core import TyperGroup

from alexc.cli import COMMANDS, load
from alexc.commands.compile import compile_
from alexc.commands.fmt import fmt
from alexc.commands.new import new
from alexc.live.spec_on_disk import SpecOnDisk
from alexc.net import Net
from alexc.spec_error import SpecError
from tests.conftest import ROOT, Alexc


@pytest.mark.slow
def test_a_sound_spec(alexc: Alexc) -> None:
    result = alexc("check", ROOT / "spec" / "alexnet.net", ROOT / "examples" / "small.net")
    assert result.returncode == 0
    assert [line.split(": ")[1] for line in result.stdout.splitlines()] == ["no errors", "no errors"]


@pytest.mark.slow
@pytest.mark.parametrize("command", ["check", "summary", "compile"])
def test_a_mistake_names_file_and_line_and_ends_with_1(tmp_path: Path, alexc: Alexc, command: str) -> None:
    (tmp_path / "mine.net").write_text("network A {\n  input 3x8x8\n  conv 4 kernal=3\n}\n")
    result = alexc(command, "mine.net")
    assert result.returncode == 1
    output = result.stdout if command == "check" else result.stderr
    assert "error[E0202]: `conv` has no argument `kernal`" in output
    assert "mine.net:3:10" in output
    assert "did you mean `kernel`?" in output


@pytest.mark.slow
@pytest.mark.parametrize("command", ["check", "summary", "compile"])
def test_a_missing_file_and_a_folder(tmp_path: Path, alexc: Alexc, command: str) -> None:
    missing = alexc(command, "nowhere.net")
    assert (missing.returncode, missing.stdout) == (1, "")
    assert missing.stderr.startswith("error: nowhere.net: there is no such file")
    folder = alexc(command, tmp_path)
    assert folder.returncode == 1
    assert "this is a folder" in folder.stderr


@pytest.mark.slow
@pytest.mark.parametrize("command", [["check"], ["fmt"], ["fmt", "--check"], ["plan"], ["plan", "--placement", "x"]])
def test_names_of_specs_are_printed_without_steering_characters(
    tmp_path: Path, alexc: Alexc, command: list[str]
) -> None:
    spec = "network A {\n  input 3x8x8\n  fc:  linear 2   -> softmax\n}\n"
    (tmp_path / "a\x1b[31m.net").write_text(spec)
    result = alexc(*command, "a\x1b[31m.net")
    assert result.stdout + result.stderr
    assert "\x1b[31m" not in result.stdout + result.stderr


@pytest.mark.posix
def test_a_command_in_a_message_quotes_a_path_with_blanks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("my nets").mkdir()
    new(Path("my nets/net.net"))
    Path("their net.net").write_text(
        "network A { input 3x8x8\nlinear 2 }\nplacement p { mesh a=2\nsplit images by a }\n"
    )
    with pytest.raises(typer.Exit):
        fmt([Path("their net.net")], check=True)
    with pytest.raises(typer.Exit):
        compile_([Path("my nets/net.net")], check=True)
    with pytest.raises(SpecError, match=r"alexc import 'their net\.cfg'"):
        SpecOnDisk(Path("their net.cfg"))
    assert str(Net.from_file("their net.net").plan()).endswith("alexc plan 'their net.net' --placement p")
    assert [line.split("`")[1] for line in capsys.readouterr().out.splitlines()] == [
        "alexc summary 'my nets/net.net'",
        "alexc fmt 'their net.net'",
        "alexc compile 'my nets/net.net'",
    ]


def test_a_compiled_network_is_no_spec(tmp_path: Path, alexc: Alexc) -> None:
    (tmp_path / "mine.py").write_text("import torch\n")
    result = alexc("check", "mine.py")
    expected = "a spec is a `.net` file, such as spec/alexnet.net; if the content is one, rename the file"
    message = f"error: mine.py: this is a Python file; {expected}\n"
    assert (result.returncode, result.stdout, result.stderr) == (1, "", message)


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [["sumary"], ["summary", "--format", "xml"], ["compile"]])
def test_wrong_usage_ends_with_2(alexc: Alexc, arguments: list[str]) -> None:
    result = alexc(*arguments)
    assert result.returncode == 2
    assert "Traceback" not in result.stderr


def test_a_defect_of_alexc_ends_with_70_and_asks_for_a_report(tmp_path: Path) -> None:
    code = (
        "import sys, alexc.commands.check, alexc.compiler.pipeline as pipeline\n"
        "def broken(*_): raise ZeroDivisionError('planted')\n"
        "pipeline.parse = broken\n"
        f"sys.argv = ['alexc', 'check', {str(ROOT / 'spec' / 'alexnet.net')!r}]\n"
        "from alexc.__main__ import main\nmain()"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert result.returncode == 70
    assert "ZeroDivisionError: planted" in result.stderr
    assert "Please report it" in result.stderr


def test_a_closed_pipe_is_no_defect(tmp_path: Path) -> None:
    command = f"'{sys.executable}' -m alexc summary --format json | head -1; echo ${{PIPESTATUS[0]}}"
    result = subprocess.run(["bash", "-c", command], capture_output=True, text=True, cwd=tmp_path)
    assert result.stdout.splitlines()[0] == "{"
    assert "Traceback" not in result.stderr
    assert "report it" not in result.stderr


@pytest.mark.slow
def test_the_same_program_as_a_module_and_as_a_script(alexc: Alexc, tmp_path: Path) -> None:
    script = Path(sys.executable).with_name("alexc")
    result = subprocess.run([script, "summary"], capture_output=True, text=True, cwd=tmp_path)
    assert result.stdout == alexc("summary").stdout


def test_each_kind_of_thing_has_one_placeholder() -> None:
    """Whatever names a file or a folder is called by the kind of thing that it is, in every command."""
    kinds = {"SPEC", "FILE", "NETWORK", "RUN", "DATA", "STORE", "WEIGHTS", "IMAGE", "DIR", "A", "B", "CODE", "EXAMPLE"}
    paths = {"out", "data", "weights", "spec", "into"}
    found = {name: load(name) for name in COMMANDS}
    weights = found["weights"]
    assert isinstance(weights, TyperGroup)
    commands = [*found.values(), *weights.commands.values()]
    seen = set()
    for command in commands:
        for parameter in command.params:
            if parameter.param_type_name == "argument" or parameter.name in paths:
                assert parameter.metavar in kinds, f"{command.name}: {parameter.name}"
                seen.add(parameter.metavar)
    assert seen == kinds
