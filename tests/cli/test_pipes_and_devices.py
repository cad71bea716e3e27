"""Whatever file is named on the command line: a pipe that nobody writes to and a device without end are refused."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from alexc import Net, SpecError
from alexc.runtime.caffemodel import read_caffemodel
from alexc.runtime.errors import UserError
from alexc.runtime.network_file import load_network_file
from alexc.runtime.runs.checkpoint import DamagedCheckpoint, load_checkpoint
from alexc.runtime.weights_import import read_tensors
from tests.conftest import ROOT

REASON = "it is a pipe or a device, not a file"
SECONDS = 60  # one that waited would wait for ever


@pytest.fixture(params=["pipe", "device"])
def endless(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """What never ends, under a name without an ending."""
    path = tmp_path / "endless"
    if request.param == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/zero")
    return path


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [("check",), ("summary",), ("compile",), ("import",), ("diff", ROOT / "spec" / "alexnet.net"), ("train",)],
    ids=lambda command: command[0],
)
def test_no_command_waits(command: tuple[str | Path, ...], endless: Path) -> None:
    call = [sys.executable, "-m", "alexc", *map(str, command), str(endless)]
    result = subprocess.run(call, capture_output=True, text=True, timeout=SECONDS, cwd=endless.parent)
    assert result.returncode == (2 if command[0] == "diff" else 1)
    assert REASON in result.stderr
    assert "Traceback" not in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_nothing_waits(endless: Path) -> None:
    with pytest.raises(SpecError, match=REASON):
        Net.from_file(endless)
    with pytest.raises(UserError, match=REASON):
        load_network_file(endless)
    with pytest.raises(DamagedCheckpoint, match=REASON):
        load_checkpoint(endless)
    with pytest.raises(UserError, match=REASON):
        read_caffemodel(endless)
    with pytest.raises(UserError, match=REASON):
        read_tensors(endless)
    with pytest.raises(UserError, match=REASON):
        read_tensors(endless.rename(endless.with_suffix(".safetensors")))


def test_a_spec_that_extends_one_does_not_wait(endless: Path) -> None:
    endless.rename(endless.with_suffix(".net"))
    spec = endless.with_name("mine.net")
    spec.write_text('network Mine extends "endless.net" {\n  without lrn\n}\n')
    with pytest.raises(SpecError, match=REASON):
        Net.from_file(spec)
