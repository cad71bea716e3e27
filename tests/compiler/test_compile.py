"""`alexc compile`: the content of the generated file, and how it is written."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from alexc.compiler.files.pytorch import write_pytorch
from alexc.compiler.pipeline import check_file, check_text
from tests.conftest import ROOT, Alexc

SPECS = sorted([*(ROOT / "spec").glob("*.net"), *(ROOT / "examples").glob("*.net")])
LONGEST_CHECKED_IN = 400  # lines; a longer file is not checked in
FLAGSHIP = (ROOT / "spec" / "alexnet.net").read_text()


def compiled(text: str, name: str = "test.net") -> str:
    checked = check_text(text, name)
    assert checked.graph is not None, checked.diagnostics
    return write_pytorch(checked.graph, name)


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.stem)
def test_the_checked_in_file_is_what_the_compiler_makes(spec: Path) -> None:
    checked = check_file(spec)
    assert checked.graph is not None, checked.diagnostics
    made = write_pytorch(checked.graph, spec.name)
    checked_in = ROOT / "generated" / f"{spec.stem}.py"
    if len(made.splitlines()) < LONGEST_CHECKED_IN:
        assert checked_in.read_text() == made
    else:
        assert not checked_in.exists()


PLACED = ("two_gpus", "one_weird_trick", "pod")  # of the flagship


def test_every_generated_file_has_its_spec() -> None:
    made_of = {spec.stem for spec in SPECS} | {f"alexnet_{placement}" for placement in PLACED}
    assert {path.stem for path in (ROOT / "generated").glob("*.py")} <= made_of


def test_a_placed_file_holds_the_whole_network_as_it_is_without_a_placement() -> None:
    def classes_and_recipe(name: str) -> list[str]:
        body = ast.parse((ROOT / "generated" / f"{name}.py").read_text()).body
        return [ast.unparse(node) for node in body if isinstance(node, ast.ClassDef | ast.Assign)]

    whole, recipe = classes_and_recipe("alexnet")
    for placement in PLACED:
        first, on_mesh, its_recipe, values = classes_and_recipe(f"alexnet_{placement}")
        assert (first, its_recipe) == (whole, recipe)
        assert "exchange.all_gather(x, self." in on_mesh
        assert values.startswith("PLACEMENT = Placement(")


@pytest.mark.slow
def test_compile_writes_placements_beside_the_spec_and_knows_when_they_are_stale(tmp_path: Path, alexc: Alexc) -> None:
    spec = tmp_path / "alexnet.net"
    spec.write_text(FLAGSHIP)
    options = [option for placement in PLACED for option in ("--placement", placement)]
    result = alexc("compile", spec, *options)
    assert (result.returncode, result.stderr) == (0, "")
    for placement in PLACED:
        made = (tmp_path / "generated" / f"alexnet_{placement}.py").read_text()
        assert made == (ROOT / "generated" / f"alexnet_{placement}.py").read_text()
    spec.write_text(FLAGSHIP.replace("mesh  copy=4", "mesh  copy=2"))
    stale = alexc("compile", spec, "--check", *options)
    assert stale.returncode == 1
    assert stale.stdout.count("\n") == 1
    assert "run `alexc compile" in stale.stdout
    assert "--placement pod`" in stale.stdout


def test_emitting_a_spec_refuses_a_placement(tmp_path: Path, alexc: Alexc) -> None:
    spec = tmp_path / "alexnet.net"
    spec.write_text(FLAGSHIP)
    result = alexc("compile", spec, "--emit", "net", "--placement", "pod")
    assert (result.returncode, result.stdout) == (1, "")
    assert "leave out --placement" in result.stderr


@pytest.mark.slow
def test_an_unknown_placement_is_named_with_those_there_are(tmp_path: Path, alexc: Alexc) -> None:
    spec = tmp_path / "alexnet.net"
    spec.write_text(FLAGSHIP)
    result = alexc("compile", spec, "--placement", "two_gpu")
    assert result.returncode == 1
    assert result.stderr.endswith("has no placement `two_gpu`; did you mean `two_gpus`?\n")
    spec.write_text(FLAGSHIP[: FLAGSHIP.index("placement ")])
    result = alexc("compile", spec, "--placement", "two_gpus")
    assert result.returncode == 1
    assert "and no other" in result.stderr


@pytest.mark.slow
def test_the_bytes_do_not_depend_on_hashing_or_the_folder(tmp_path: Path) -> None:
    made = []
    for seed in ("1", "2"):
        out = tmp_path / seed
        command = [sys.executable, "-m", "alexc", "compile", str(ROOT / "spec" / "alexnet.net"), "-o", str(out)]
        subprocess.run(command, check=True, env={**os.environ, "PYTHONHASHSEED": seed}, cwd=tmp_path)
        made.append((out / "alexnet.py").read_bytes())
    assert made[0] == made[1] == (ROOT / "generated" / "alexnet.py").read_bytes()


# Forms that no example has: long argument lists, a single step, no recipe, towers in `linear`, unnamed statements.
LONG_NAMES = " ".join(f"a_branch_with_a_long_name_{i}" for i in range(5))
VARIANTS = {
    "plain": "network Plain {\n input 1x8x8\n conv 4 kernel=3x1 stride=1x2 pad=1x0 bias=none\n relu\n"
    " maxpool 2 round=ceil pad=1\n tanh\n linear 3\n}\n",
    "towers": "network Towers {\n input 3x9x9\n towers 3\n conv 6 kernel=3 -> relu -> tanh\n"
    " linear 6 reads=tower bias=none -> relu\n linear 3 reads=all weight=constant(-1e-7) -> softmax\n}\n",
    "starts": "network Starts {\n input 3x9x9\n"
    " a_layer_with_a_rather_long_name_so_that_lines_break: conv 6 kernel=3 groups=3"
    " weight=uniform(-0.0001, 0.0001) bias=-1.5 -> relu -> tanh -> relu -> tanh -> relu -> tanh -> relu\n"
    " linear 8 weight=xavier(2) -> softmax -> dropout 0.25 scale=train\n linear 8 weight=xavier\n}\n",
    "kinds": "network Kinds {\n input 3x19x19\n"
    " a: conv 8 kernel=3 pad=same stride=2 dilation=2 weight_rate=1 bias_rate=2 bias_decay=0 -> batchnorm -> relu\n"
    " b: local 8 kernel=2 pad=same weight_decay=0 -> leaky_relu -> elu 0.5 -> batchnorm eps=1e-3 momentum=0.5\n"
    " c: concat a b -> avgpool 3 stride=1 pad=1 count_pad=no round=ceil -> adaptive_avgpool 2x3 -> global_avgpool\n"
    " flatten -> batchnorm -> linear 3\n}\n",
    "branches": "network Branches {\n input 4x9x9\n towers 2\n"
    " stem: conv 8 kernel=3 pad=1\n left: stem -> conv 8 kernel=1 reads=tower -> relu\n"
    + "".join(f" a_branch_with_a_long_name_{i}: stem -> conv 4 kernel=1 reads=all\n" for i in range(4))
    + " concat left stem "
    + " ".join(f"a_branch_with_a_long_name_{i}" for i in range(4))
    + "\n wide: conv 8 kernel=3 pad=1 reads=tower -> add left stem -> global_maxpool\n"
    " linear 4 reads=all -> softmax\n}\n",
    "joins": "network Joins {\n input 4x9x9\n"
    + "".join(f" a_branch_with_a_long_name_{i}: input -> conv 4 kernel=1\n" for i in range(5))
    + f" both: concat {LONG_NAMES} -> relu\n total: a_branch_with_a_long_name_0 -> conv 4 kernel=1"
    f" -> add {LONG_NAMES}\n"
    " concat both total -> linear 4\n}\n",
    "recipe": FLAGSHIP.replace(
        "augment   random_crop 227 -> mirror -> pca_color 0.1 by=eigenvalue", "augment mirror 0.25"
    )
    .replace("plateau of=val_error divide=10 times=3", "plateau of=val_loss divide=2 times=9 patience=7 least=0.125")
    .replace("ten_crop", "center"),
    "scaled": "network Scaled {\n input 3x4096x4096\n maxpool 64 -> linear 3 -> softmax\n}\ntrain {\n"
    " prepare resize 4096 -> center_crop 4096\n test scaled_crops 4096 sizes=pixels(4096)\n loss cross_entropy\n"
    " optimizer sgd lr=1\n schedule constant\n batch 8\n epochs 1\n}\n",
}


@pytest.mark.slow
def test_every_form_passes_ruff_and_mypy_and_runs(tmp_path: Path) -> None:
    for name, text in VARIANTS.items():
        (tmp_path / f"{name}.py").write_text(compiled(text))
    config = ["--config", str(ROOT / "generated" / "ruff.toml")]
    # `make lint` has filled this cache; to check torch's own types takes most of the time.
    strict = ["--strict", "--config-file", str(ROOT / "pyproject.toml"), "--cache-dir", str(ROOT / ".mypy_cache")]
    for command in (
        ["ruff", "check", *config, "."],
        ["ruff", "format", "--check", *config, "."],
        ["ruff", "check", "--isolated", "."],
        ["ruff", "format", "--check", "--isolated", "."],
        ["mypy", *strict, *(f"{name}.py" for name in VARIANTS)],
    ):
        result = subprocess.run([sys.executable, "-m", *command], cwd=tmp_path, capture_output=True, text=True)
        assert result.returncode == 0, (command, result.stdout, result.stderr)
    code = "import torch\nwith torch.device('meta'):\n" + "".join(
        f" from {name} import {name.capitalize() if name != 'recipe' else 'AlexNet'} as N\n"
        " n = N().eval(); assert n(torch.empty(2, *N.input_shape)).shape[0] == 2\n"
        for name in VARIANTS
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


def test_a_comment_of_the_spec_reaches_no_python() -> None:
    hostile = FLAGSHIP.replace("# AlexNet, as in", '# """ + __import__("os").system("touch owned") + """')
    hostile = hostile.replace("# the kernels", '# \\"""\nimport os #')
    assert check_text(hostile, "x.net").graph is None  # the second line is no statement
    comment_only = FLAGSHIP.replace("# the kernels", '# """\\N{BULLET} \u2028 import os')
    assert compiled(comment_only, "alexnet.net") == (ROOT / "generated" / "alexnet.py").read_text()


def test_a_generated_file_holds_nothing_but_imports_classes_recipe_and_placement() -> None:
    for path in (ROOT / "generated").glob("*.py"):
        body = ast.parse(path.read_text()).body
        kinds = [type(node) for node in body[1:] if not isinstance(node, ast.Import | ast.ImportFrom)]
        assert isinstance(body[0], ast.Expr)
        assert kinds in ([ast.ClassDef, ast.Assign], [ast.ClassDef, ast.ClassDef, ast.Assign, ast.Assign])


def test_compile_leaves_a_current_file_unchanged(tmp_path: Path, alexc: Alexc) -> None:
    spec = tmp_path / "my-net.net"
    spec.write_text(FLAGSHIP)
    first = alexc("compile", spec)
    assert (first.returncode, first.stdout) == (0, "generated/my_net.py  written\n")
    second = alexc("compile", spec)
    assert second.stdout == "generated/my_net.py  unchanged\n"
    assert [path.name for path in (tmp_path / "generated").iterdir()] == ["my_net.py"]


@pytest.mark.slow
def test_check_names_the_stale_file_and_writes_nothing(tmp_path: Path, alexc: Alexc) -> None:
    spec = tmp_path / "net.net"
    spec.write_text(FLAGSHIP)
    assert alexc("compile", spec, "--check").returncode == 1
    assert not (tmp_path / "generated").exists()
    alexc("compile", spec)
    assert alexc("compile", spec, "--check").returncode == 0
    spec.write_text(FLAGSHIP.replace("kernel=11", "kernel=7"))
    stale = alexc("compile", spec, "--check")
    assert stale.returncode == 1
    assert "generated/net.py: not the current output for" in stale.stdout


def test_a_file_that_alexc_did_not_make_is_left_alone(tmp_path: Path, alexc: Alexc) -> None:
    spec = tmp_path / "net.net"
    spec.write_text(FLAGSHIP)
    mine = tmp_path / "generated" / "net.py"
    mine.parent.mkdir()
    mine.write_text("my_work = 1\n")
    result = alexc("compile", spec)
    assert result.returncode == 1
    assert result.stderr.startswith("error: generated/net.py: exists and was not made by alexc")
    assert mine.read_text() == "my_work = 1\n"


def test_a_link_is_not_followed(tmp_path: Path, alexc: Alexc) -> None:
    spec = tmp_path / "net.net"
    spec.write_text(FLAGSHIP)
    elsewhere = tmp_path / "elsewhere.py"
    elsewhere.write_text("Made by alexc from")
    (tmp_path / "generated").mkdir()
    (tmp_path / "generated" / "net.py").symlink_to(elsewhere)
    assert alexc("compile", spec).returncode == 1
    assert elsewhere.read_text() == "Made by alexc from"


SMALL = "network A {\n  input 3x8x8\n  fc: linear 2 -> softmax\n}\n"


def test_out_can_name_the_file(tmp_path: Path, alexc: Alexc) -> None:
    (tmp_path / "net.net").write_text(SMALL)
    result = alexc("compile", "net.net", "-o", "made/mine.py")
    assert (result.returncode, result.stdout, result.stderr) == (0, "made/mine.py  written\n", "")
    alexc("compile", "net.net")
    assert (tmp_path / "made" / "mine.py").read_bytes() == (tmp_path / "generated" / "net.py").read_bytes()
    assert alexc("compile", "net.net", "-o", "made/mine.py", "--check").returncode == 0
    (tmp_path / "net.net").write_text(SMALL.replace("linear 2", "linear 3"))
    stale = alexc("compile", "net.net", "-o", "made/mine.py", "--check")
    assert "; run `alexc compile net.net -o made/mine.py`" in stale.stdout
    (tmp_path / "folder.py").mkdir()
    assert alexc("compile", "net.net", "-o", "folder.py").stdout == "folder.py/net.py  written\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("a.net", "b.net", "-o", "x.py"), "-o x.py names one file, but there are several to write"),
        (("a.net", "--placement", "p", "--placement", "q", "-o", "x.py"), "-o x.py names one file"),
        (("a.net", "-o", "class.py"), "class.py: a Python module cannot be called"),
        (("a.net", "-o", "mine.py"), "mine.py: exists and was not made by alexc"),
    ],
)
def test_a_file_that_out_cannot_name(tmp_path: Path, alexc: Alexc, arguments: tuple[str, ...], message: str) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.net").write_text(SMALL)
    (tmp_path / "mine.py").write_text("mine = 1\n")
    result = alexc("compile", *arguments)
    assert (result.returncode, result.stdout) == (1, "")
    assert message in result.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"a.net", "b.net", "mine.py"}
    assert (tmp_path / "mine.py").read_text() == "mine = 1\n"


def test_a_bad_spec_does_not_stop_the_others(tmp_path: Path, alexc: Alexc) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.net").write_text(SMALL)
    (tmp_path / "bad.net").write_text(SMALL.replace("linear", "lineal"))
    specs = ("a.net", "bad.net", "missing.net", "a b.net", "b.net")
    (tmp_path / "a b.net").write_text(SMALL)
    result = alexc("compile", *specs)
    assert (result.returncode, result.stdout) == (1, "generated/a.py  written\ngenerated/b.py  written\n")
    assert "bad.net:3:7" in result.stderr
    assert "error: missing.net: there is no such file" in result.stderr
    assert "a b.net: a Python module cannot be called" in result.stderr
    emitted = alexc("compile", "bad.net", "a.net", "--emit", "net")
    assert (emitted.returncode, emitted.stdout.split()[:2]) == (1, ["network", "A"])
    checked = alexc("check", *specs)
    assert checked.returncode == 1
    assert all(f"{name}.net: no errors" in checked.stdout for name in ("a", "a b", "b"))
    assert "bad.net:3:7" in checked.stdout
    assert "missing.net: there is no such file" in checked.stderr
    formatted = alexc("fmt", *specs)
    assert (formatted.returncode, formatted.stdout.count("\n")) == (1, 4)  # what parses, names aside
    assert "missing.net: there is no such file" in formatted.stderr


@pytest.mark.parametrize("name", ["class.net", "1.net", "a b.net", "ｃｌａｓｓ.net", "..net", "a.b.net"])
def test_a_file_name_that_python_cannot_import_is_refused(tmp_path: Path, alexc: Alexc, name: str) -> None:
    spec = tmp_path / name
    spec.write_text(FLAGSHIP)
    result = alexc("compile", spec)
    assert result.returncode == 1
    assert "a Python module cannot be called" in result.stderr


def test_two_specs_for_one_file(tmp_path: Path, alexc: Alexc) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "net.net").write_text(FLAGSHIP)
    result = alexc("compile", "a/net.net", "b/net.net")
    assert result.returncode == 1
    assert "rename one of the two" in result.stderr
    assert not (tmp_path / "generated").exists()
