"""Runs the commands that pages of docs/ show: `python -m tools.docs_output` writes their output into the pages."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.conftest import ROOT

PAGES = tuple(ROOT / "docs" / name for name in ("tutorial.md", "placement.md", "alexnet-2012.md"))
_BLOCK = re.compile(r"^(```net (\S+)\n|```console\n\$ alexc ([^\n]+)\n)(.*?)^```$", re.MULTILINE | re.DOTALL)


def with_output(page: str, folder: Path) -> str:
    """The page with the current output of each `$ alexc …`.

    The commands run in `folder`. Each spec that the page shows is written there before the commands that follow it.
    """
    for name in ("spec", "examples"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.py"))

    def run(block: re.Match[str]) -> str:
        head, file, command, body = block.groups()
        if file is not None:
            path = folder / file
            path.parent.mkdir(exist_ok=True)
            path.write_text(body, encoding="utf-8")
            return block[0]
        return f"{head}{_output(command, folder)}```"

    return _BLOCK.sub(run, page)


def _output(command: str, folder: Path) -> str:
    arguments = [sys.executable, "-m", "alexc", *shlex.split(command)]
    result = subprocess.run(arguments, cwd=folder, capture_output=True, text=True, timeout=120, check=False)  # noqa: S603 - our own pages
    assert result.returncode in (0, 1), result.stderr
    return result.stdout + result.stderr


if __name__ == "__main__":
    for page in PAGES:
        with tempfile.TemporaryDirectory() as folder:
            page.write_text(with_output(page.read_text(encoding="utf-8"), Path(folder)), encoding="utf-8")
