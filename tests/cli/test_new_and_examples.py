"""`alexc new` and `alexc examples`: specs to start from. `--version` and completion."""

from __future__ import annotations

import re
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

import pytest
import typer

from alexc.cli import app
from alexc.compiler.pipeline import check_file
from alexc.runtime.errors import UserError
from alexc.shipped import shipped_specs
from tests.conftest import ROOT


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def alexc(*arguments: str) -> None:
    app(list(arguments), standalone_mode=False)


def network(path: str) -> str:
    checked = check_file(Path(path))
    assert checked.graph is not None, checked.diagnostics
    assert checked.graph.net.recipe is not None
    assert not checked.diagnostics
    return checked.graph.net.name


def test_what_ships_is_all_that_the_repository_has() -> None:
    specs = [*(ROOT / "spec").glob("*.net"), *(ROOT / "examples").rglob("*.net")]
    assert {path.resolve() for path in shipped_specs().values()} == set(specs)
    assert len(shipped_specs()) == len(specs)  # each name once
    assert all(path.read_text().startswith("# ") for path in specs)


def test_a_new_spec_is_whole_formatted_and_called_like_its_file(capsys: pytest.CaptureFixture[str]) -> None:
    alexc("new")
    alexc("new", "my-own_net")
    alexc("new", "vgg.net", "--from", "vgg16")
    alexc("new", "--from", "resnet50.net")
    assert (
        capsys.readouterr().out.splitlines()[1]
        == "my-own_net.net  written; `alexc summary my-own_net.net` shows its layers"
    )
    names = ("my_net.net", "my-own_net.net", "vgg.net", "resnet50.net")
    assert [network(name) for name in names] == ["MyNet", "MyOwnNet", "Vgg", "ResNet50"]
    alexc("fmt", "--check", *names[:1])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("there",), "there.net is already there"),
        (("class",), "class.net: a Python module cannot be called"),
        (("dropout",), "dropout.net: a network cannot be called `Dropout`: it"),
        (("missing/x",), "make the folder missing"),
        (("x", "--from", "vgg61"), "vgg61: no example has this name; did you mean `vgg1"),
    ],
)
def test_what_new_refuses(arguments: tuple[str, ...], message: str) -> None:
    Path("there.net").write_text("mine")
    with pytest.raises(UserError, match=message):
        alexc("new", *arguments)
    assert [path.name for path in Path().iterdir()] == ["there.net"]
    assert Path("there.net").read_text() == "mine"


def test_examples_are_listed_and_copied(capsys: pytest.CaptureFixture[str]) -> None:
    alexc("examples")
    printed = capsys.readouterr().out
    assert re.search(r"^vgg16 +VGG with 16 layers", printed, re.MULTILINE)
    assert printed.count("\n") == 1 + len(shipped_specs())
    alexc("examples", "alexnet_tanh", "six_layers_146.net")  # both extend shipped specs
    assert network("alexnet_tanh.net"), network("six_layers_146.net")
    alexc("examples", "--out", "all")
    assert {path.name: path.read_bytes() for path in Path("all").iterdir()} == {
        name: path.read_bytes() for name, path in shipped_specs().items()
    }
    Path("all/vgg16.net").unlink()
    with pytest.raises(UserError, match=r"vgg19\.net is already there"):
        alexc("examples", "vgg16", "vgg19", "--out", "all")
    assert not Path("all/vgg16.net").exists()


def test_a_command_for_files_says_how_to_copy_what_ships(capsys: pytest.CaptureFixture[str]) -> None:
    with suppress(typer.Exit):
        alexc("fmt", "small.net")
    assert "small.net: there is no such file; `alexc examples small` copies the one" in capsys.readouterr().err


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    alexc("--version")
    assert capsys.readouterr().out == f"alexc {version('alexc')}\n"


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        ("alexc tra", "train"),
        ("alexc train --weight-d", "--weight-decay"),
        ("alexc weights im", "import"),
    ],
)
def test_the_shell_completes_commands_and_their_options(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: str, completed: str
) -> None:
    monkeypatch.setenv("_ALEXC_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(words.count(" ")))
    with pytest.raises(SystemExit):
        app([], prog_name="alexc")
    assert capsys.readouterr().out.split() == [completed]
