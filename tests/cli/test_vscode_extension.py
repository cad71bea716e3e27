"""The VS Code extension, run under node with a stub of VS Code's API and the real language server."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT

NODE = shutil.which("node")
SCRIPT = ROOT / "editors" / "vscode" / "extension.js"
SPEC = "network A {\n  input 3x8x8\n  repeat 2 { c: conv 4 kernel=3 pad=2 }\n}\n"

pytestmark = pytest.mark.skipif(NODE is None, reason="needs node")


def run(folder: Path, scenario: str, path: str = "") -> dict[str, Any]:
    """What a user sees in one scenario of the stub."""
    spec = folder / "mine.net"
    spec.write_text(SPEC)
    stub = ROOT / "tests" / "support" / "vscode_stub.js"
    assert NODE is not None
    result = subprocess.run(
        [NODE, stub, SCRIPT, folder, spec, scenario],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "PATH": path},
    )
    assert result.returncode == 0, result.stderr
    seen: dict[str, Any] = json.loads(result.stdout)
    return seen


def install(folder: Path, name: str, script: str) -> Path:
    """Put a command `alexc` into a virtual environment of the workspace."""
    command = folder / name / "bin" / "alexc"
    command.parent.mkdir(parents=True)
    command.write_text(f"#!/bin/sh\n{script}\n")
    command.chmod(0o755)
    return command


def test_the_script_is_javascript() -> None:
    assert NODE is not None
    subprocess.run([NODE, "--check", SCRIPT], check=True)


@pytest.mark.slow
def test_the_picture_and_the_expanded_spec_follow_the_edits(tmp_path: Path) -> None:
    command = install(tmp_path, ".venv", f'PYTHONPATH="{ROOT}" exec "{sys.executable}" -m alexc "$@"')
    seen = run(tmp_path, "views")
    assert seen["started"] == [{"command": str(command), "args": ["lsp"]}]
    (panel,) = seen["panels"]
    first, edited, broken, dark = panel["posted"]
    assert panel["title"] == "mine.net: picture"
    assert first["svg"] != edited["svg"] == broken["svg"]
    assert (first["note"], edited["note"]) == ("", "")
    assert broken["note"] == "The file has errors. This is its last valid version."
    assert dark["svg"] != broken["svg"]
    (expanded,) = seen["shown"]
    assert "repeat" not in expanded
    assert "c2: conv 4 kernel=5 pad=2" in expanded
    assert seen["messages"] == []
    policy = re.search(r'Content-Security-Policy"\s+content="([^"]+)"', seen["html"])
    assert policy is not None
    assert re.fullmatch(r"default-src 'none'; style-src 'unsafe-inline'; script-src 'nonce-([\w+/=]+)'", policy[1])
    assert seen["html"].count("<script") == seen["html"].count('<script nonce="') == 1


def test_a_missing_alexc_is_told_with_what_to_install(tmp_path: Path) -> None:
    seen = run(tmp_path, "missing")
    assert "pip install 'alexc[lsp]'" in seen["messages"][0]
    assert "alexc.command" in seen["messages"][0]
    assert "alexc is not running" in seen["panels"][0]["posted"][0]["note"]


def test_a_folder_that_is_not_trusted_starts_nothing_of_it(tmp_path: Path) -> None:
    install(tmp_path, ".venv", f'touch "{tmp_path}/started"')
    seen = run(tmp_path, "untrusted")
    assert seen["started"] == []
    assert not (tmp_path / "started").exists()


def test_a_server_that_ends_is_told_with_its_reason(tmp_path: Path) -> None:
    install(tmp_path, "venv", 'echo "the language server needs pygls: pip install pygls" >&2; exit 1')
    seen = run(tmp_path, "broken")
    assert seen["messages"] == ["alexc cannot start: the language server needs pygls: pip install pygls"]
