"""Who may import whom, and that packages, folders and type links agree."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.conftest import ROOT

PACKAGES = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
FOLDERS = {
    "alexc": "alexc",
    "alexc.compiler": "compiler",
    "alexc.language_server": "language_server",
    "alexc.runtime": "runtime",
    "alexc.spec": "spec",
}


def imports_of(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            found.add(node.module or "")
    return found


def forbidden(folder: str, *roots: str) -> list[str]:
    files = sorted((ROOT / folder).rglob("*.py"))
    assert files
    return [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in files
        for name in sorted(imports_of(path))
        if any(name == root or name.startswith(f"{root}.") for root in roots)
    ]


def test_the_compiler_imports_neither_torch_nor_the_runtime() -> None:
    assert forbidden("compiler", "torch", "torchvision", "numpy", "alexc.runtime", "typer") == []


def test_the_runtime_and_what_is_generated_do_not_import_the_compiler() -> None:
    assert forbidden("runtime", "alexc.compiler", "typer") == []
    assert forbidden("generated", "alexc.compiler") == []


def test_the_language_server_needs_neither_torch_nor_the_runtime() -> None:
    assert forbidden("language_server", "torch", "torchvision", "numpy", "alexc.runtime", "typer") == []


def test_passes_do_not_import_each_other() -> None:
    passes = {"syntax", "resolve", "shapes", "recipe_fit", "place", "pytorch"}
    for name in passes:
        others = {f"alexc.compiler.{other}" for other in passes - {name}}
        assert imports_of(ROOT / "compiler" / f"{name}.py") & others == set()


@pytest.mark.parametrize(
    "command", ["summary", "draw", "plan", "compile", "check", "fmt", "diff", "explain", "import", "--help"]
)
def test_commands_about_specs_never_import_torch(command: str, tmp_path: Path) -> None:
    arguments = {
        "summary": ["summary"],
        "draw": ["draw", str(ROOT / "spec" / "alexnet.net")],
        "plan": ["plan", str(ROOT / "spec" / "alexnet.net")],
        "compile": ["compile", str(ROOT / "spec" / "alexnet.net"), "-o", str(tmp_path)],
        "check": ["check", str(ROOT / "spec" / "alexnet.net")],
        "fmt": ["fmt", "--check", str(ROOT / "spec" / "alexnet.net")],
        "diff": ["diff", *[str(ROOT / "spec" / "alexnet.net")] * 2],
        "explain": ["explain", "E0301"],
        "import": ["import", str(ROOT / "tests" / "foreign" / "caffe" / "residual_deploy.prototxt")],
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


def test_every_folder_with_modules_is_a_listed_package() -> None:
    found = set()
    for package, folder in FOLDERS.items():
        for init in (ROOT / folder).rglob("__init__.py"):
            inner = init.parent.relative_to(ROOT / folder).parts
            found.add(".".join([package, *inner]))
    assert found == set(PACKAGES)


def test_the_type_checker_sees_every_module() -> None:
    links = ROOT / "tests" / "typing" / "alexc"
    expected = {"compiler", "language_server", "runtime", "spec"}
    expected |= {path.name for path in (ROOT / "alexc").iterdir() if path.is_file()}
    assert {path.name for path in links.iterdir() if path.name != "__pycache__"} == expected
    assert all(path.is_symlink() and path.exists() for path in links.iterdir())
