"""`alexc --help` lists every command without importing one."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from inspect import getdoc

import pytest
import typer

from alexc.cli import COMMANDS, PANELS, load
from tests.conftest import ROOT


@pytest.mark.parametrize("name", COMMANDS)
def test_the_line_of_help_is_the_first_sentence_of_the_command(name: str) -> None:
    module, attribute = COMMANDS[name].target.split(":")
    found = getattr(import_module(f"alexc.commands.{module}"), attribute)
    text = found.info.help if isinstance(found, typer.Typer) else getdoc(found)
    assert isinstance(text, str)
    assert COMMANDS[name].help == " ".join(text.split("\n\n")[0].split())


def test_every_module_of_commands_is_listed() -> None:
    files = {path.stem for path in (ROOT / "alexc" / "commands").glob("*.py")} - {"__init__"}
    assert files == {entry.target.split(":")[0] for entry in COMMANDS.values()}
    assert sum(map(len, PANELS.values())) == len(COMMANDS) == 23


def test_help_imports_no_command() -> None:
    code = (
        "import sys; sys.argv = ['alexc', '--help']\n"
        "from alexc.__main__ import main\n"
        "try:\n    main()\n"
        "finally:\n    print('\\n'.join(sys.modules), file=sys.stderr)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert all(f" {name} " in result.stdout for name in COMMANDS)
    assert all(panel in result.stdout for panel in PANELS)
    loaded = result.stderr.split()
    assert "alexc.cli" in loaded
    assert not [name for name in loaded if name.startswith(("alexc.commands", "alexc.compiler.layers", "alexc.net"))]


@pytest.mark.parametrize("name", sorted(set(COMMANDS) - {"weights"}))
@pytest.mark.parametrize("width", [60, 80])
def test_the_help_of_a_command_fits_the_terminal_and_has_two_columns(name: str, width: int) -> None:
    command = load(name)
    context = command.make_context(f"alexc {name}", [], resilient_parsing=True, terminal_width=width)
    lines = command.get_help(context).splitlines()
    assert max(map(len, lines)) <= width
    assert not any("\b" in line or "│" in line for line in lines)
    options = lines[lines.index("Options:") + 1 :]
    texts = {line.index("Show this") for line in options if "--help" in line}
    assert texts
    assert max(texts) <= width * 0.6


def test_lists_in_a_help_stay_lists() -> None:
    command = load("prepare")
    context = command.make_context("alexc prepare", [], resilient_parsing=True, terminal_width=60)
    lines = command.get_help(context).splitlines()
    start = lines.index("  - a zip or tar file of such a folder, compressed or not")
    assert lines[start + 1] == "  - a folder with ImageNet's tar files and devkit"
    assert lines[start + 3 : start + 5] == [
        "  - CIFAR's binary batches or CIFAR's Python batches, in a",
        "    folder or an archive",
    ]
