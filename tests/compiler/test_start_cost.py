"""The start of the commands about specs: the modules that they load, and their time compared with importing torch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.compile import IMPORT_TORCH, run_processes
from tests.conftest import ROOT

SPEC = str(ROOT / "spec" / "alexnet.net")
MOST_MODULES = 430  # a tenth more than `compile` loads; it was 468 while every command was imported
# Modules that these commands do not need, or only with other options; colored messages need rich.
UNUSED = {"PIL", "asyncio", "google", "matplotlib", "numpy", "pygments", "rich", "scipy", "tensorboard", "torch"}


def loaded(tmp_path: Path, *arguments: str) -> set[str]:
    code = (
        f"import sys; sys.argv = ['alexc', *{arguments!r}]\n"
        "from alexc.__main__ import main\n"
        "try:\n    main()\n"
        "finally:\n    print('\\n'.join(sys.modules), file=sys.stderr)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    return set(result.stderr.splitlines())


@pytest.mark.parametrize("arguments", [("summary",), ("check", SPEC), ("compile", SPEC)], ids=lambda each: each[0])
def test_a_command_loads_no_more_than_it_needs(arguments: tuple[str, ...], tmp_path: Path) -> None:
    modules = loaded(tmp_path, *arguments)
    assert f"alexc.commands.{arguments[0]}" in modules
    assert not UNUSED & modules
    assert not {name for name in modules if name.startswith(("alexc.importers", "alexc.compiler.drawing"))}
    assert "alexc.compiler.layers.conv" in modules
    assert "alexc.compiler.layers.batchnorm" not in modules
    assert ("jinja2" in modules) == (arguments[0] == "compile")
    assert len(modules) <= MOST_MODULES


@pytest.mark.slow
def test_a_summary_takes_less_than_half_of_importing_torch() -> None:
    processes = {
        "summary": [sys.executable, "-m", "alexc", "summary"],
        "torch": [sys.executable, "-c", IMPORT_TORCH],
    }
    processor, _ = run_processes(processes, 3)
    best = {name: min(seconds) for name, seconds in processor.seconds.items()}
    assert best["summary"] <= best["torch"] / 2, best
