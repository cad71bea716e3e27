"""Replays pages of docs/: the files that they show are written, their commands run.

`python -m tests.support.replayed_pages` puts the output of the commands into the pages anew.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.conftest import ROOT

PAGES = tuple(ROOT / "docs" / name for name in ("tutorial.md", "placement.md"))
BLOCK = re.compile(r"^(```net (\S+)\n|```console\n\$ alexc ([^\n]+)\n)(.*?)^```$", re.MULTILINE | re.DOTALL)


def replayed(page: str, folder: Path) -> str:
    """The page with the output of each `$ alexc …`, run in `folder` where the page's files are written as they come."""
    shutil.copytree(ROOT / "spec", folder / "spec", ignore=shutil.ignore_patterns("__pycache__", "*.py"))

    def replay(block: re.Match[str]) -> str:
        head, file, command, body = block.groups()
        if file is not None:
            path = folder / file
            path.parent.mkdir(exist_ok=True)
            path.write_text(body, encoding="utf-8")
            return block[0]
        return f"{head}{_output(command, folder)}```"

    return BLOCK.sub(replay, page)


def _output(command: str, folder: Path) -> str:
    arguments = [sys.executable, "-m", "alexc", *shlex.split(command)]
    result = subprocess.run(arguments, cwd=folder, capture_output=True, text=True, timeout=120)
    assert result.returncode in (0, 1), result.stderr
    return result.stdout + result.stderr


if __name__ == "__main__":
    for page in PAGES:
        with tempfile.TemporaryDirectory() as folder:
            page.write_text(replayed(page.read_text(encoding="utf-8"), Path(folder)), encoding="utf-8")
