"""Whatever file is named on the command line: a pipe that nobody writes to and a device without end are refused."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from alexc import Net, SpecError
from alexc.runtime.caffemodel import read_caffemodel
from alexc.runtime.data.dataset_statistics import load_statistics
from alexc.runtime.data.store import open_store
from alexc.runtime.errors import UserError
from alexc.runtime.network_file import load_network_file
from alexc.runtime.runs.checkpoint import DamagedCheckpoint, load_checkpoint
from alexc.runtime.runs.metrics import read_metrics
from alexc.runtime.runs.run_folder import RunFolder
from alexc.runtime.tensor_files import read_tensors
from tests.conftest import ROOT
from tests.data.test_store import write_example
from tests.support import imagenet_archives as imagenet
from tests.support.listed import list_images

pytestmark = pytest.mark.posix

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


@pytest.mark.parametrize("name", ["train-labels.npy", "train-files.jsonl", "train-sum.npy", "val-00000.u8"])
def test_a_part_of_a_store_is_not_waited_for(name: str, endless: Path) -> None:
    store = write_example(endless.parent / "store")
    (store / name).unlink()
    endless.rename(store / name)
    with pytest.raises(UserError, match=f"{name}: {REASON}"):
        open_store(store)


def test_a_part_of_a_run_is_not_waited_for(endless: Path) -> None:
    with pytest.raises(UserError, match=REASON):
        load_statistics(endless)
    with pytest.raises(UserError, match=REASON):
        read_metrics(endless)
    endless.rename(endless.parent / "run.json")
    with pytest.raises(UserError, match="is not a run"):
        RunFolder(endless.parent).read_record()


@pytest.mark.parametrize("name", ["data/meta.mat", "data/ILSVRC2012_validation_ground_truth.txt"])
def test_a_devkit_is_not_waited_for(name: str, endless: Path, tmp_path: Path) -> None:
    root = imagenet.write_archives(tmp_path / "imagenet")
    (root / f"{imagenet.DEVKIT}.tar.gz").unlink()
    for path, content in imagenet.devkit_files().items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)
    (root / imagenet.DEVKIT / name).unlink()
    endless.rename(root / imagenet.DEVKIT / name)
    with pytest.raises(UserError, match=f"{imagenet.DEVKIT} has no {name}"):
        list_images(root)
    (root / imagenet.DEVKIT / name).rename(root / f"{imagenet.DEVKIT}.tar.gz")
    shutil.rmtree(root / imagenet.DEVKIT)
    with pytest.raises(UserError, match=r"lacks ILSVRC2012_devkit_t12.tar.gz"):
        list_images(root)
