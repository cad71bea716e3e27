"""Who may import whom: no folder imports one that stands above it."""

from __future__ import annotations

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from tests.conftest import ROOT

PACKAGES = ("compiler", "importers", "language_server", "runtime")
LINKED = (*PACKAGES, "examples", "spec")
# Each folder may import those before it.
COMPILER = ("text", "tree", "layers", "recipe", "net", "graph", "placed_graph", "files", "drawing")
IMPORTERS = ("caffe", "cuda_convnet", "darknet", "torchvision")
RUNTIME = (
    "parallel",
    "kernels",
    "layers",
    "augmentations",
    "data",
    "runs",
    "evaluation",
    "reporting",
    "training",
    "exporting",
    "doctor",
)
HEAVY = ("torch", "torchvision", "numpy")


def modules(folder: Path) -> list[Path]:
    found = sorted(folder.rglob("*.py"))
    assert found, folder
    return found


@cache
def imports_of(path: Path) -> list[str]:
    """The modules that a file imports, each by its full name."""
    package = ("alexc", *path.relative_to(ROOT).parts[:-1]) if path.is_relative_to(ROOT) else ()
    if package[1:2] == ("alexc",):
        package = package[1:]
    found: list[str] = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level:
            base = package[: len(package) - node.level + 1]
            names = [node.module] if node.module else [alias.name for alias in node.names]
            found += (".".join([*base, name]) for name in names)
        elif isinstance(node, ast.ImportFrom):
            found.append(node.module or "")
    return found


def forbidden(files: list[Path], *roots: str) -> list[str]:
    return [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in files
        for name in imports_of(path)
        if any(name == root or name.startswith(f"{root}.") for root in roots)
    ]


def test_the_compiler_imports_neither_torch_nor_what_uses_it() -> None:
    above = ("alexc.importers", "alexc.runtime", "alexc.language_server", "typer")
    assert forbidden(modules(ROOT / "compiler"), *HEAVY, *above) == []


def test_the_runtime_and_what_is_generated_do_not_import_the_compiler() -> None:
    above = ("alexc.compiler", "alexc.importers", "alexc.language_server", "typer")
    assert forbidden(modules(ROOT / "runtime"), *above) == []
    assert forbidden(modules(ROOT / "generated"), *above) == []


def test_the_language_server_needs_neither_torch_nor_the_runtime() -> None:
    assert forbidden(modules(ROOT / "language_server"), *HEAVY, "alexc.runtime", "typer") == []


@pytest.mark.parametrize(("package", "order"), [("compiler", COMPILER), ("runtime", RUNTIME)])
def test_no_folder_imports_one_that_comes_after_it(package: str, order: tuple[str, ...]) -> None:
    folders = {path.name for path in (ROOT / package).iterdir() if (path / "__init__.py").is_file()}
    assert folders == set(order)
    for place, folder in enumerate(order):
        later = [f"alexc.{package}.{name}" for name in order[place + 1 :]]
        assert forbidden(modules(ROOT / package / folder), *later) == []


def test_readers_of_foreign_files_share_one_folder_and_do_not_know_each_other() -> None:
    """Only the pipeline imports the readers, and only the reader of torchvision imports torch."""
    folders = {path.name for path in (ROOT / "importers").iterdir() if (path / "__init__.py").is_file()}
    assert folders == {*IMPORTERS, "foreign"}
    readers = {name: f"alexc.importers.{name}" for name in IMPORTERS}
    for folder in sorted(folders):
        others = [readers[name] for name in readers if name != folder]
        files = modules(ROOT / "importers" / folder)
        assert forbidden(files, *others, "alexc.importers.pipeline") == []
        assert forbidden(files, *(HEAVY if folder != "torchvision" else ())) == []
    assert forbidden([ROOT / "importers" / "pipeline.py"], readers["torchvision"]) == []
    known = ("alexc.compiler", "alexc.importers", "alexc.printable", "alexc.runtime.errors")
    for path in modules(ROOT / "importers"):
        ours = [name for name in imports_of(path) if name.split(".")[0] == "alexc"]
        assert [name for name in ours if not f"{name}.".startswith(tuple(f"{each}." for each in known))] == [], path


def test_stages_do_not_know_the_pipeline() -> None:
    stages = [path for folder in COMPILER for path in modules(ROOT / "compiler" / folder)]
    assert forbidden(stages, "alexc.compiler.pipeline") == []


@pytest.mark.parametrize("package", ["compiler", "importers", "language_server", "runtime"])
def test_a_package_imports_its_own_modules_relatively(package: str) -> None:
    for path in modules(ROOT / package):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and not node.level:
                assert not f"{node.module}.".startswith(f"alexc.{package}."), f"{path} imports {node.module}"


@pytest.mark.parametrize(
    "command",
    ["summary", "draw", "plan", "compile", "check", "fmt", "diff", "explain", "import", "new", "examples", "--help"],
)
def test_commands_about_specs_never_import_torch(command: str, tmp_path: Path) -> None:
    spec = str(ROOT / "spec" / "alexnet.net")
    arguments = {
        "summary": ["summary"],
        "draw": ["draw", spec],
        "plan": ["plan", spec],
        "compile": ["compile", spec, "-o", str(tmp_path)],
        "check": ["check", spec],
        "fmt": ["fmt", "--check", spec],
        "diff": ["diff", spec, spec],
        "explain": ["explain", "E0301"],
        "import": ["import", str(ROOT / "tests" / "importers" / "files" / "caffe" / "residual_deploy.prototxt")],
        "new": ["new", "mine", "--from", "resnet50"],
        "examples": ["examples"],
        "--help": ["--help"],
    }[command]
    code = (
        f"import sys; sys.argv = ['alexc', *{arguments!r}]\n"
        "from alexc.__main__ import main\n"
        "try:\n    main()\n"
        "except SystemExit as stop:\n    assert not stop.code, stop.code\n"
        "heavy = {'torch', 'torchvision', 'numpy', 'matplotlib', 'tensorboard'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert result.returncode == 0, result.stderr


IN_AN_SDIST = (ROOT / "PKG-INFO").is_file()


@pytest.mark.skipif(IN_AN_SDIST, reason="an sdist has copies of the folders, not links to them")
def test_alexc_holds_a_link_to_each_package() -> None:
    links = {path.name: path for path in (ROOT / "alexc").iterdir() if path.is_symlink()}
    assert set(links) == set(LINKED)
    assert all(path.resolve() == ROOT / name for name, path in links.items())


@pytest.mark.skipif(not IN_AN_SDIST, reason="a checkout has links")
@pytest.mark.parametrize("name", LINKED)
def test_alexc_holds_a_copy_of_each_package_in_an_sdist(name: str) -> None:
    def files(folder: Path) -> dict[Path, bytes]:
        found = {path.relative_to(folder): path for path in folder.rglob("*") if path.suffix != ".pyc"}
        return {place: path.read_bytes() for place, path in found.items() if path.is_file()}

    assert files(ROOT / "alexc" / name) == files(ROOT / name)


def test_every_folder_with_modules_is_a_package() -> None:
    for package in PACKAGES:
        for path in modules(ROOT / package):
            assert (path.parent / "__init__.py").is_file(), path


def test_nothing_imports_matplotlib() -> None:
    """Its import takes long and warns where it cannot write; only its fonts are used."""
    files = [path for folder in ("alexc", *PACKAGES, "generated") for path in modules(ROOT / folder)]
    assert forbidden(files, "matplotlib") == []
