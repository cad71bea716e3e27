"""`alexc compile --standalone`: a file that needs torch alone and computes what the ordinary file does."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from alexc import Net, SpecError
from alexc.compiler.files.runtime_source import copied_source
from alexc.compiler.pipeline import Checked, check_file, check_text
from alexc.runtime.errors import UserError
from alexc.runtime.layers.dropout import Dropout
from alexc.runtime.network_file import load_module_file, load_network_file
from tests.conftest import ROOT, Alexc
from tests.support.compiled import names_in
from tests.support.layer_forms import FORMS

FLAGSHIP = ROOT / "spec" / "alexnet.net"
SPECS = sorted([*(ROOT / "spec").glob("*.net"), *(ROOT / "examples").rglob("*.net")])


@cache
def checked(path: Path) -> Checked:
    return check_file(path)


@cache
def standalone(path: Path) -> str:
    return checked(path).standalone()


def imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").split(".")[0]


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.stem)
def test_the_file_has_the_network_of_the_ordinary_one_and_needs_torch_alone(spec: Path) -> None:
    ordinary, alone = ast.parse(checked(spec).python()), ast.parse(standalone(spec))
    (network,) = (node for node in ordinary.body if isinstance(node, ast.ClassDef))
    first = next(node for node in alone.body if isinstance(node, ast.ClassDef))
    assert ast.unparse(first) == ast.unparse(network)
    assert {*imported(alone)} - sys.stdlib_module_names == {"torch"}
    assert not any(isinstance(node, ast.Name) and node.id in ("Axis", "RECIPE") for node in ast.walk(alone))
    names = [node.name for node in alone.body if isinstance(node, ast.ClassDef | ast.FunctionDef)]
    used = {node.id for node in ast.walk(alone) if isinstance(node, ast.Name)}
    assert [name for name in names[1:] if name not in used] == []


@pytest.mark.slow
def test_every_example_runs_where_alexc_cannot_be_imported(tmp_path: Path) -> None:
    for spec in SPECS:
        (tmp_path / f"{spec.stem}.py").write_text(standalone(spec))
    names = {spec.stem: checked(spec).graph.net.name for spec in SPECS}  # type: ignore[union-attr]
    code = f"""
import importlib, sys, torch
sys.modules["alexc"] = None  # importing it fails
with torch.device("meta"), torch.no_grad():
    for module, name in {names!r}.items():
        network = getattr(importlib.import_module(module), name)()
        made = network(torch.empty(2, *network.input_shape))
        assert all(len(each) == 2 for each in (made if isinstance(made, tuple) else [made])), module
"""
    result = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (0, "")


GRID = " towers 2x2\n first: conv 8 kernel=3 pad=1\n row: conv 8 kernel=3 reads=row -> relu\n linear 4 reads=cross\n"
TOWERS = " towers 2\n first: conv 8 kernel=3\n{}\n concat {}\n"
EXTRA = [
    "conv 8 kernel=3 groups=2 shuffles=2 reads=all",
    "conv 8 kernel=3 reads=tower weight=xavier(2)",
    "local 4 kernel=3 reads=all weight=xavier",
    "tree_linear 4 tree=parents(4, 4, 6, 5, 5, 6) weight=lecun",
    "linear 8 reads=all weight=uniform(-0.5, 0.5) -> linear 8 reads=all weight=constant(0.1)",
]


def everything() -> str:
    """A network with a branch for each form of each layer kind."""
    forms = [*FORMS, *EXTRA]
    branches = "\n".join(f" form{number}: first -> {form} -> linear 4 reads=all" for number, form in enumerate(forms))
    body = TOWERS.format(branches, " ".join(f"form{number}" for number in range(len(forms))))
    return f"network All {{\n input 3x15x15\n{body}}}\n"


NETWORKS = {
    "all": everything(),
    "grid": f"network Grid {{\n input 3x8x8\n{GRID}}}\n",
    "small": (ROOT / "examples" / "small.net").read_text(),
    "cifar": (ROOT / "examples" / "cifar_11pct.net").read_text(),
    "lenet5": (ROOT / "examples" / "lenet5.net").read_text(),
}


def built(text: str, name: str) -> nn.Module:
    network = names_in(text)[name]()
    assert isinstance(network, nn.Module)
    return network


@cache
def pair(name: str) -> tuple[nn.Module, nn.Module]:
    """A network from its ordinary file and from its standalone file, with the same weights."""
    spec = check_text(NETWORKS[name], f"{name}.net")
    assert spec.graph is not None, spec.diagnostics
    ordinary, alone = (built(text, spec.graph.net.name) for text in (spec.python(), spec.standalone()))
    return ordinary, alone


def numbers(network: nn.Module, dtype: torch.dtype, *, training: bool) -> list[Tensor]:
    """The outputs and all gradients."""
    network = network.to(dtype).train(training)
    network.zero_grad()
    shape: Any = network.input_shape
    torch.manual_seed(3)
    x = torch.randn(2, *shape, dtype=dtype).requires_grad_()
    torch.manual_seed(4)  # of the masks
    y = network(x)
    y.square().sum().backward()
    gradients = [each.grad for each in (x, *network.parameters())]
    return [y, *(each for each in gradients if each is not None)]


@pytest.mark.parametrize("name", NETWORKS)
def test_outputs_and_gradients_are_those_of_the_ordinary_file_to_the_bit(name: str) -> None:
    ordinary, alone = pair(name)
    for seed in (None, 7):
        for network in (ordinary, alone):
            torch.manual_seed(1)
            network.reset_parameters(seed)  # type: ignore[operator]
        assert list(alone.state_dict()) == list(ordinary.state_dict())
        assert all(map(torch.equal, alone.state_dict().values(), ordinary.state_dict().values()))
    for dtype in (torch.float32, torch.float64):
        for training in (False, True):
            expected = numbers(ordinary, dtype, training=training)
            for made, each in zip(numbers(alone, dtype, training=training), expected, strict=True):
                assert torch.equal(made, each)
    assert str(alone) == str(ordinary)


@pytest.mark.slow
def test_every_form_passes_ruff_and_mypy(tmp_path: Path) -> None:
    for spec in SPECS:
        (tmp_path / f"{spec.stem}.py").write_text(standalone(spec))
    for name, text in NETWORKS.items():
        (tmp_path / f"form_{name}.py").write_text(check_text(text, "net.net").standalone())
    strict = ["--strict", "--config-file", str(ROOT / "pyproject.toml"), "--cache-dir", str(ROOT / ".mypy_cache")]
    for command in (
        ["ruff", "check", "--isolated", "--extend-select", "I,ANN,ARG,UP", "--ignore", "ANN401", "."],
        ["ruff", "format", "--check", "--isolated", "."],
        ["mypy", *strict, "form_all.py", "form_grid.py", "googlenet.py"],
    ):
        result = subprocess.run([sys.executable, "-m", *command], cwd=tmp_path, capture_output=True, text=True)
        assert result.returncode == 0, (command, result.stdout, result.stderr)


def test_no_layer_of_the_standalone_file_is_one_of_alexc() -> None:
    for name, text in NETWORKS.items():
        made = check_text(text, f"{name}.net").standalone()
        assert {*imported(ast.parse(made))} - sys.stdlib_module_names == {"torch"}
        assert [line for line in made.partition("# What the network uses")[2].splitlines() if len(line) > 88] == []
    ordinary, alone = pair("all")
    assert any(isinstance(module, Dropout) for module in ordinary.modules())
    assert not any(type(module).__module__.startswith("alexc") for module in alone.modules())


def test_weights_load_both_ways() -> None:
    ordinary, alone = pair("small")
    for source, target in ((ordinary, alone), (alone, ordinary)):
        nn.init.normal_(next(source.parameters()))
        target.load_state_dict(source.state_dict())
        assert torch.equal(next(target.parameters()), next(source.parameters()))


def test_the_documented_way_to_load_weights_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (ROOT / "docs" / "weights.md").read_text(encoding="utf-8")
    code = page[page.index("import torch\nfrom small import Small") :].partition("```")[0]
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "small.py").write_text(check_text(NETWORKS["small"], "small.net").standalone())
    ordinary = pair("small")[0].float()
    torch.save({"weights": ordinary.state_dict(), "epoch": 1}, "best.pt")
    names: dict[str, Any] = {}
    exec(code, names)  # our own page
    made = names["network"].state_dict()
    assert all(torch.equal(value, made[name]) for name, value in ordinary.state_dict().items())


def test_only_what_the_network_uses_is_copied() -> None:
    def defined(name: str, text: str) -> set[str]:
        tree = ast.parse(check_text(f"network {name} {{\n input 3x8x8\n{text}\n}}\n", "n.net").standalone())
        return {node.name for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef)} - {name}

    values = {"Distribution", "Normal", "initialise", "_generator"}
    assert defined("A", " relu\n maxpool 2") == set()
    assert defined("A", " conv 4 kernel=3 -> relu") == {"Distribution", "Kaiming", "initialise", "_generator"}
    assert defined("A", " conv 4 kernel=3 weight=normal(0, 1)\n batchnorm") == {*values, "Constant"}
    assert defined("A", " blur 3 std=1") == {"gaussian_blur", "_weighted_sum"}
    plain = check_text("network A {\n input 3x8x8\n conv 4 kernel=3\n}\n", "n.net").standalone()
    with_norm = check_text("network A {\n input 3x8x8\n conv 4 kernel=3 -> batchnorm\n}\n", "n.net").standalone()
    assert "reset_running_stats" not in plain
    assert "if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):" in with_norm
    assert not any(word in plain for word in ("TreeLinear", "draw_order", "Axis", "noqa", "alexc.runtime"))


def test_copied_definitions_come_after_those_that_they_need() -> None:
    copied = copied_source(["from alexc.runtime.layers.stochastic_depth import StochasticDepth"], set())
    assert copied.text.index("class Dropout(nn.Module)") < copied.text.index("class StochasticDepth(Dropout)")
    assert {"StochasticDepth", "Dropout", "hash_mask"} <= copied.names
    assert "from typing import Literal" in copied.imports


def test_the_docstring_says_what_the_file_is() -> None:
    docstring = ast.get_docstring(ast.parse(standalone(FLAGSHIP)))
    assert docstring is not None
    assert "Made by alexc from alexnet.net, standalone: edit that file, not this one." in docstring
    assert "needs torch alone" in docstring
    assert "the recipe and the placements of the spec are left out" in " ".join(docstring.split())
    assert "left out" not in check_text("network A {\n input 3x8x8\n relu\n}\n", "n.net").standalone()


def test_the_copyright_is_that_of_the_licence() -> None:
    (line,) = [line for line in (ROOT / "LICENSE").read_text().splitlines() if line.startswith("Copyright")]
    assert f"# {line}. SPDX-License-Identifier: MIT\n" in standalone(FLAGSHIP)


def test_the_checked_in_file_is_what_the_compiler_makes() -> None:
    made = standalone(FLAGSHIP)
    assert (ROOT / "generated" / "standalone" / "alexnet.py").read_text() == made


@pytest.mark.parametrize("taken", ["hash_mask", "Literal", "math"])
def test_a_network_with_a_name_that_the_file_uses_is_refused(taken: str) -> None:
    net = Net.from_text(f"network {taken} {{\n input 3x8x8\n relu -> dropout 0.5 scale=test\n}}\n", "n.net")
    assert taken in net.python()
    with pytest.raises(SpecError, match=f"n.net: a standalone file uses the name `{taken}` itself: give the network"):
        net.python(standalone=True)


def test_a_placement_is_refused(alexc: Alexc) -> None:
    net = Net.from_file(FLAGSHIP)
    with pytest.raises(SpecError, match="a standalone file is for one device: leave the placement out"):
        net.python("two_gpus", standalone=True)
    for options, message in (
        (("--placement", "pod"), "leave out --placement"),
        (("--emit", "net"), "leave out one of the two"),
    ):
        result = alexc("compile", FLAGSHIP, "--standalone", *options)
        assert (result.returncode, result.stdout) == (1, "")
        assert message in result.stderr


def test_compile_writes_into_a_folder_of_its_own_and_checks(tmp_path: Path, alexc: Alexc) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.net").write_text("network A {\n input 3x8x8\n linear 2 -> softmax\n}\n")
    result = alexc("compile", "--standalone", "a.net", "b.net")
    assert (result.stdout, result.stderr) == ("standalone/a.py  written\nstandalone/b.py  written\n", "")
    assert (tmp_path / "standalone" / "a.py").read_text() == Net.from_file(tmp_path / "a.net").python(standalone=True)
    assert alexc("compile", "--standalone", "a.net", "-o", "mine.py").stdout == "mine.py  written\n"
    (tmp_path / "mine.py").write_text((tmp_path / "mine.py").read_text() + "\n")
    stale = alexc("compile", "--standalone", "--check", "a.net", "-o", "mine.py")
    assert stale.returncode == 1
    assert "; run `alexc compile a.net -o mine.py --standalone`" in stale.stdout


def test_a_command_that_needs_the_ordinary_file_says_so(tmp_path: Path) -> None:
    path = tmp_path / "alexnet.py"
    path.write_text(standalone(FLAGSHIP))
    for load in (load_network_file, load_module_file):
        with pytest.raises(UserError, match=r"is a standalone file, .* that `alexc compile alexnet\.net` writes"):
            load(path)
