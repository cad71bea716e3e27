"""`from alexc import Net`: what docs/api.md shows, what Jupyter shows, and that the command line says the same."""

from __future__ import annotations

import doctest
import pickle
import re
import subprocess
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import torch
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from alexc import Net, SpecError
from tests.conftest import ROOT, Alexc

FLAGSHIP = ROOT / "spec" / "alexnet.net"
PAGE = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
LAYERS = ("conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7", "fc8")
TINY = "network Tiny {\n  input 3x8x8\n  conv1: conv 4 kernel=3 -> relu\n  linear 10 -> softmax\n}\n"
WRONG = TINY.replace("kernel", "kernal")


def test_what_the_page_shows_is_what_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    blocks = re.findall(r"^```pycon\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    test = doctest.DocTestParser().get_doctest("\n".join(blocks), {}, "api.md", None, None)
    assert len(test.examples) >= 25
    said: list[str] = []
    result = doctest.DocTestRunner().run(test, out=said.append)
    assert result.failed == 0, "".join(said)


def test_the_page_has_every_method_and_attribute() -> None:
    public = {name for name in {*vars(Net), *vars(Net.from_text(TINY))} if not name.startswith("_")} - {"graph"}
    assert {name for name in public if not re.search(rf"\b{name}\b", PAGE)} == set()


@pytest.mark.parametrize("code", ["import alexc", "from alexc import SpecError", "import alexc; dir(alexc)"])
def test_importing_alexc_loads_nothing_heavy(code: str, tmp_path: Path) -> None:
    check = "import sys; heavy = {'torch', 'numpy', 'lark', 'pydantic', 'jinja2', 'typer'} & set(sys.modules)"
    command = [sys.executable, "-c", f"{code}\n{check}\nassert not heavy, heavy"]
    result = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert result.returncode == 0, result.stderr


@pytest.mark.slow
def test_only_the_module_needs_torch(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom alexc import Net\n"
        f"net = Net.from_file({str(FLAGSHIP)!r})\n"
        "str(net.summary()), net.python(), net.expanded(), net.diff(net), net.plan('pod'), net.draw()\n"
        "assert not {'torch', 'numpy', 'typer', 'matplotlib'} & set(sys.modules)\n"
        f"Net.from_text({TINY!r}).module()\n"
        "assert 'torch' in sys.modules"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert result.returncode == 0, result.stderr


def test_there_is_nothing_else_in_the_package() -> None:
    import alexc

    with pytest.raises(AttributeError, match="has no attribute 'Nett'"):
        _ = alexc.Nett  # type: ignore[attr-defined]


@pytest.mark.slow
@pytest.mark.parametrize("path", [FLAGSHIP, ROOT / "examples" / "small.net"], ids=["alexnet", "small"])
def test_the_command_line_says_the_same(alexc: Alexc, path: Path) -> None:
    net, other = Net.from_file(path), Net.from_file(ROOT / "examples" / "alexnet_tanh.net")
    assert alexc("summary", path).stdout == f"{net.summary()}\n"
    assert alexc("summary", path, "--format", "markdown").stdout == f"{net.summary().markdown()}\n"
    assert alexc("diff", path, ROOT / "examples" / "alexnet_tanh.net").stdout == f"{net.diff(other)}\n"
    assert alexc("compile", path, "--emit", "net").stdout == net.expanded()
    assert net.python() == (ROOT / "generated" / f"{path.stem}.py").read_text(encoding="utf-8")
    for placement in net.placements:
        assert alexc("plan", path, "--placement", placement).stdout == f"{net.plan(placement)}\n"
        assert net.python(placement) == (ROOT / "generated" / f"{path.stem}_{placement}.py").read_text(encoding="utf-8")


class TestModule:
    def test_it_is_the_generated_one(self) -> None:
        from generated.small import Small

        ours, theirs = Net.from_file(ROOT / "examples" / "small.net").module(seed=5), Small()
        theirs.reset_parameters(5)
        assert ours.state_dict().keys() == theirs.state_dict().keys()
        assert all(torch.equal(ours.state_dict()[name], value) for name, value in theirs.state_dict().items())
        images = torch.randn(2, 3, *Small.input_shape[1:], generator=torch.Generator().manual_seed(0))
        assert torch.equal(ours.eval()(images), theirs.eval()(images))

    def test_without_a_seed_torch_draws(self) -> None:
        net = Net.from_text(TINY)
        torch.manual_seed(0)
        first, second = net.module(), net.module()
        assert not torch.equal(first.get_parameter("conv1.weight"), second.get_parameter("conv1.weight"))
        torch.manual_seed(0)
        assert torch.equal(first.get_parameter("conv1.weight"), net.module().get_parameter("conv1.weight"))

    def test_two_modules_of_a_network_are_of_one_class_and_can_be_pickled(self) -> None:
        net = Net.from_text(TINY)
        module = net.module()
        assert type(net.module()) is type(module)
        assert type(Net.from_text(TINY.replace("10", "11")).module()) is not type(module)
        again = pickle.loads(pickle.dumps(module))
        assert torch.equal(again.conv1.weight, module.get_parameter("conv1.weight"))

    def test_a_traceback_shows_its_lines(self) -> None:
        module = Net.from_text(TINY, "mine.net").module()
        with pytest.raises(RuntimeError) as raised:
            module(torch.zeros(1, 5, 8, 8))
        shown = "".join(traceback.format_exception(raised.value))
        assert 'File "<alexc mine.net>"' in shown
        assert "x = F.relu(self.conv1(x))" in shown

    @pytest.mark.parametrize("name", ['"""; import os; """', "a\nb", "\\", "…", "", "a/b.net"])
    def test_a_strange_name_does_no_harm(self, name: str) -> None:
        assert Net.from_text(TINY, name).module(1)(torch.zeros(1, 3, 8, 8)).shape == (1, 10)


class TestMistakes:
    def test_in_a_text(self) -> None:
        with pytest.raises(SpecError, match=r"`conv` has no argument `kernal`") as raised:
            Net.from_text(WRONG, "mine.net")
        (finding,) = raised.value.findings
        assert (finding.code, finding.span.line_and_column, finding.span.text) == ("E0202", (3, 17), "kernal")
        assert pickle.loads(pickle.dumps(raised.value)).findings[0].code == "E0202"

    def test_in_the_order_of_the_text(self) -> None:
        with pytest.raises(SpecError) as raised:
            Net.from_text(WRONG.replace("linear 10", "linear ten") + "train {\n}\n")
        places = [finding.span.start for finding in raised.value.findings]
        assert len(places) > 2
        assert places == sorted(places)

    def test_a_file_that_is_not_there_and_a_text_that_extends_one(self, tmp_path: Path) -> None:
        with pytest.raises(SpecError, match="there is no such file") as raised:
            Net.from_file(tmp_path / "nowhere.net")
        assert raised.value.findings == ()
        with pytest.raises(SpecError, match="this spec is not a file, so it cannot extend a file"):
            Net.from_text('network A extends "a.net" {\n}\n')

    def test_placements_and_batches(self) -> None:
        net = Net.from_file(FLAGSHIP)
        with pytest.raises(SpecError, match="did you mean `pod`"):
            net.python("pods")
        with pytest.raises(SpecError, match=r"text\.net: has no placement `pod`, and no other"):
            Net.from_text(TINY).plan("pod")
        with pytest.raises(SpecError, match="batch 30: the 4 devices of pod"):
            net.plan("pod", batch=30)
        with pytest.raises(SpecError, match="batch 0: expected"):
            net.plan("pod", batch=0)
        with pytest.raises(SpecError, match="'float8': expected one of float32"):
            net.plan("pod", dtype="float8")  # type: ignore[arg-type]


class Notebook:
    """Cells that IPython runs one after the other."""

    def __init__(self) -> None:
        config = Config()
        config.HistoryManager.enabled = False
        make: Any = InteractiveShell  # IPython is not typed
        self.shell: Any = make(config=config)

    def value(self, cell: str) -> object:
        """The value of a cell's last line."""
        result = self.shell.run_cell(cell)
        result.raise_error()
        return result.result

    def shown(self, cell: str) -> dict[str, str]:
        """What a notebook keeps of that value, by its type."""
        formats: dict[str, str] = self.shell.display_formatter.format(self.value(cell))[0]
        return formats

    def mistake(self, cell: str) -> object:
        """What a cell raises."""
        return self.shell.run_cell(cell).error_in_exec


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Notebook]:
    """A notebook in the repository that has read the flagship."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    monkeypatch.chdir(ROOT)
    notebook = Notebook()
    notebook.value('from alexc import Net\nnet = Net.from_file("spec/alexnet.net")')
    yield notebook
    notebook.shell.restore_sys_module_state()


class TestNotebook:
    def test_the_counts_are_a_table(self, notebook: Notebook) -> None:
        formats = notebook.shown("net.summary()")
        assert set(formats) == {"text/plain", "text/html", "text/markdown"}
        table = ElementTree.fromstring(f"<div>{formats['text/html']}</div>")
        lines = [[cell.text or "" for cell in row] for row in table.iter("tr")]
        assert [line[0] for line in lines] == ["layer", *LAYERS, "total"]
        assert lines[-1][4] == "60,954,656"
        assert {len(line) for line in lines} == {11}
        assert [line.split()[0] for line in formats["text/plain"].splitlines()[3:-2]] == [*LAYERS, "total"]
        assert formats["text/markdown"].count("\n| ") == len(lines) + 1

    def test_the_picture_is_a_picture(self, notebook: Notebook) -> None:
        formats = notebook.shown("net.draw()")
        assert set(formats) == {"text/plain", "image/svg+xml"}
        assert ElementTree.fromstring(formats["image/svg+xml"]).tag == "{http://www.w3.org/2000/svg}svg"
        assert len(formats["text/plain"]) < 100

    @pytest.mark.parametrize("cell", ["net.plan('pod')", "net.diff(net)", "net"])
    def test_others_print_as_the_command_line_does(self, notebook: Notebook, cell: str) -> None:
        (text,) = notebook.shown(cell).values()
        assert text == repr(notebook.value(cell))

    def test_a_mistake_is_shown_without_a_traceback(
        self, notebook: Notebook, capsys: pytest.CaptureFixture[str]
    ) -> None:
        mistake = notebook.mistake(f"Net.from_text({WRONG!r}, name='mine.net')")
        assert isinstance(mistake, SpecError)
        output = capsys.readouterr().out
        assert output == f"{mistake}\n"
        assert "mine.net:3:17" in output
        notebook.mistake("net.plan('nothing')")
        assert capsys.readouterr().out.startswith("error: spec/alexnet.net: has no placement `nothing`")
