"""`from alexc import Net`: what docs/api.md shows, what Jupyter shows, and that the command line says the same."""

from __future__ import annotations

import doctest
import pickle
import re
import subprocess
import sys
import traceback
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import torch
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

import alexc
from alexc import Net, Run, Runs, SpecError, UserError, __version__
from alexc.commands.draw import draw
from alexc.drawing import Theme
from alexc.training import Options
from tests.conftest import ROOT, Alexc
from tests.support.tiny_training import make_images

FLAGSHIP = ROOT / "spec" / "alexnet.net"
PAGE = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
LAYERS = ("conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7", "fc8")
TINY = "network Tiny {\n  input 3x8x8\n  conv1: conv 4 kernel=3 -> relu\n  linear 10 -> softmax\n}\n"
WRONG = TINY.replace("kernel", "kernal")


def test_what_the_page_shows_is_what_happens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("examples", "tests"):
        (tmp_path / name).symlink_to(ROOT / name)
    make_images(tmp_path / "photos", ("cat", "dog"))
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```pycon\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    test = doctest.DocTestParser().get_doctest("\n".join(blocks), {}, "api.md", None, None)
    assert len(test.examples) >= 45
    said: list[str] = []
    result = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test, out=said.append)
    assert result.failed == 0, "".join(said)


def test_the_page_has_every_method_and_attribute() -> None:
    of_a_net = {*vars(Net), *vars(Net.from_text(TINY))} - {"graph"}
    names = {*of_a_net, *vars(Run), *vars(Runs), *Options.__annotations__, *alexc.__all__} - {"__version__"}
    public = {name for name in names if not name.startswith("_")} - {"folder"}
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


def test_the_version_is_that_of_the_package() -> None:
    assert __version__ == version("alexc")


class TestRead:
    def test_a_text_extends_what_ships_and_what_lies_in_its_folder(self, tmp_path: Path) -> None:
        shipped = Net.from_text('network Wide extends "alexnet.net" {\n  conv1: kernel=7\n}\n')
        assert not {"recipe", "input"} & {each.name for each in shipped.diff(Net.from_file(FLAGSHIP)).settings}
        (tmp_path / "tiny.net").write_text(TINY)
        text = 'network Mine extends "tiny.net" {\n  conv1: kernels=8\n}\n'
        with pytest.raises(SpecError, match="this spec is not a file"):
            Net.from_text(text)
        assert Net.from_text(text, "mine.net", folder=tmp_path).summary().rows[0].output == "8x6x6"

    def test_a_name_alone_is_also_that_of_a_shipped_spec(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        assert repr(Net.from_file("alexnet.net")) == "<Net AlexNet of alexnet.net: 60,965,224 parameters>"
        assert not Net.from_file("alexnet.net").diff(Net.from_file("alexnet_tanh.net")).same
        with pytest.raises(SpecError, match="there is no such file"):
            Net.from_file("folder/alexnet.net")
        Path("alexnet.net").write_text(TINY)
        assert Net.from_file("alexnet.net").graph.net.name == "Tiny"


class TestVariant:
    def test_it_is_what_the_language_makes_of_the_same_lines(self) -> None:
        net = Net.from_file(FLAGSHIP)
        variant = net.variant("conv1: kernel=7", "without lrn\nevery relu: tanh")
        lines = "conv1: kernel=7\n  without lrn\n  every relu: tanh"
        assert variant.text.endswith(f"\nnetwork AlexNetVariant extends AlexNet {{\n  {lines}\n}}\n")
        written = Net.from_text(f'network AlexNetVariant extends "alexnet.net" {{\n{lines}\n}}\n', variant.name)
        assert variant.python() == written.python()
        assert variant.placements == net.placements
        assert Net.from_text(variant.text).diff(variant).same
        assert variant.expanded() == Net.from_text(variant.expanded()).expanded()

    def test_of_a_variant_of_a_file_that_extends_one_beside_it(self, tmp_path: Path) -> None:
        (tmp_path / "tiny.net").write_text(TINY)
        (tmp_path / "mine.net").write_text('network Mine extends "tiny.net" {\n  conv1: kernel=5\n} # end')
        net = Net.from_file(tmp_path / "mine.net").variant("every relu: tanh").variant("conv1: stride=2")
        assert repr(net) == "<Net MineVariant2 of MineVariant2.net: 474 parameters>"
        assert net.variant("conv1: pad=1", name="Padded").graph.net.name == "Padded"

    @pytest.mark.parametrize(
        ("changes", "place", "text", "headline"),
        [
            (["without dropout", "conv1: kernal=5"], (2, 8), "kernal", "`conv` has no argument `kernal`"),
            (["without dropout\n  conv9:  kernel=5"], (2, 3), "conv9", "the extended network has no layer `conv9`"),
            (["without dropout }"], (1, 17), "}", "unexpected `}`"),
            (["conv1: kernel=7 {"], (1, 17), "{", "unexpected `{`"),
            (["conv2: kernel=99"], (1, 8), "kernel=99", "`conv2` has a window of 99"),
        ],
    )
    def test_a_mistake_is_shown_at_its_place_in_the_changes(
        self, changes: list[str], place: tuple[int, int], text: str, headline: str
    ) -> None:
        with pytest.raises(SpecError) as raised:
            Net.from_file(FLAGSHIP).variant(*changes)
        finding = raised.value.findings[0]
        assert (finding.span.line_and_column, finding.span.text) == (place, text)
        assert finding.headline.startswith(headline)
        assert f"--> changes to {FLAGSHIP}:{place[0]}:{place[1]}" in str(raised.value)
        assert all(fix.span.source is finding.span.source for fix in finding.fixes)

    def test_a_mistake_in_the_spec_is_shown_there(self) -> None:
        with pytest.raises(SpecError, match=r"(?s)--> tiny\.net:3:37.*changes to tiny\.net: 1 error") as raised:
            Net.from_text(TINY.replace("-> relu", "-> maxpool 2"), "tiny.net").variant("conv1: stride=100")
        assert raised.value.findings[0].span.source.text.startswith("network Tiny")

    @pytest.mark.parametrize(
        ("name", "message"),
        [("class", "a Python keyword"), ("my net", "not a valid name"), ("Tiny", "has a network of this name")],
    )
    def test_a_name_that_cannot_be_one(self, name: str, message: str) -> None:
        with pytest.raises(SpecError, match=message):
            Net.from_text(TINY).variant("every relu: tanh", name=name)


class TestDrawing:
    @pytest.mark.parametrize(("name", "theme"), [("x.png", "dark"), ("x.svg", "dark"), ("x.svg", None)])
    def test_it_saves_what_the_command_writes(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, theme: Theme | None
    ) -> None:
        monkeypatch.chdir(tmp_path)
        Net.from_text(TINY).draw().save(f"a{name}", theme)
        Path("tiny.net").write_text(TINY)
        draw([Path("tiny.net")], Path(name), dark=theme == "dark")
        assert Path(name).read_bytes() == Path(f"a{name}").read_bytes()

    def test_mistakes(self, tmp_path: Path) -> None:
        drawing = Net.from_text(TINY).draw()
        with pytest.raises(UserError, match="a picture's name ends in"):
            drawing.save("tiny.gif")
        with pytest.raises(UserError, match="theme 'blue': expected one of light, dark"):
            drawing.save(tmp_path / "tiny.svg", theme="blue")  # type: ignore[arg-type]
        (tmp_path / "mine.svg").write_text("<svg/>")
        with pytest.raises(UserError, match="was not made by alexc"):
            drawing.save(tmp_path / "mine.svg")


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
            net.plan("pod", dtype="float8")  # type: ignore[call-overload]


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
        assert set(formats) == {"text/plain", "image/svg+xml", "text/html"}
        assert ElementTree.fromstring(formats["image/svg+xml"]).tag == "{http://www.w3.org/2000/svg}svg"
        assert len(formats["text/plain"]) < 100

    def test_two_pictures_share_no_identifier(self, notebook: Notebook) -> None:
        pages = [notebook.shown("net.draw()")["text/html"] for _ in range(2)]
        first, second = (
            {element.get("id") for element in ElementTree.fromstring(f"<div>{page}</div>").iter()} - {None}
            for page in pages
        )
        assert len(first) == len(second) > 8
        assert first & second == set()

    @pytest.mark.parametrize(
        ("cell", "tables"),
        [("net.plan('pod')", 3), ("net.plan()", 1), ("net.diff(net.variant('without lrn'))", 3), ("net", 0)],
    )
    def test_others_print_as_the_command_line_does_and_are_tables(
        self, notebook: Notebook, cell: str, tables: int
    ) -> None:
        formats = notebook.shown(cell)
        assert formats["text/plain"] == repr(notebook.value(cell))
        assert set(formats) == ({"text/plain", "text/html"} if tables else {"text/plain"})
        page = ElementTree.fromstring(f"<div>{formats.get('text/html', '').replace('<br>', '<br/>')}</div>")
        found = list(page.iter("table"))
        assert len(found) == tables
        words = " ".join(text.strip() for text in page.itertext()).split()
        assert set(words) <= set(formats["text/plain"].split())
        assert all(len({len(row) for row in table}) == 1 for table in found)

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
