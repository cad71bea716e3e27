"""Weights & Biases, with the real package offline: what is logged, and that a failure never ends a training."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from alexc.runtime.errors import UserError
from alexc.runtime.runs.run_folder import RunFolder
from alexc.runtime.runs.wandb_log import WandbLog, wandb_package
from tests.support import tiny_training as tiny
from tests.support.commands import Command

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("wandb") is None, reason="the package wandb is not installed"),
]
BLOCK, HEADER = 32768, 7  # in bytes, of LevelDB's log format, which its files use


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wandb")
    tiny.make_store(folder)
    tiny.write_network(folder)
    return folder


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")


def train(home: Path, run: Path, steps: int | None, **changes: Any) -> RunFolder:  # noqa: ANN401
    trained = tiny.run_to(tiny.options(home / "tiny.py", home / "store", run, log_wandb=True, **changes), steps)
    wandb_package().teardown()  # finishes the files, as the end of the command does
    return trained


def records(file: Path) -> Iterator[Any]:
    """The messages of a `.wandb` file: chunks with a header of seven bytes, which never cross the end of a block."""
    from wandb.proto import wandb_internal_pb2

    content, place, message = file.read_bytes(), HEADER, b""
    while place + HEADER <= len(content):
        if BLOCK - place % BLOCK < HEADER:
            place += BLOCK - place % BLOCK
            continue
        length, kind = int.from_bytes(content[place + 4 : place + 6], "little"), content[place + 6]
        message += content[place + HEADER : place + HEADER + length]
        place += HEADER + length
        if kind in (1, 4):  # whole, or the last chunk
            record = wandb_internal_pb2.Record()  # type: ignore[attr-defined]
            record.ParseFromString(message)
            message = b""
            yield record


def told(run: RunFolder) -> tuple[set[str], dict[int, dict[str, float]], dict[str, Any]]:
    """The run ids, the values of each step and the settings in the folder of a run."""
    identities: set[str] = set()
    steps: dict[int, dict[str, float]] = {}
    settings: dict[str, Any] = {}
    for file in sorted(run.wandb.glob("offline-run-*/*.wandb")):
        for record in records(file):
            match record.WhichOneof("record_type"):
                case "run":
                    identities.add(record.run.run_id)
                case "history":
                    items = {(each.key or "/".join(each.nested_key)): each.value_json for each in record.history.item}
                    values = {name: float(value) for name, value in items.items() if not name.startswith("_")}
                    steps.setdefault(record.history.step.num, {}).update(values)
                case "config":
                    for each in record.config.update:
                        settings[each.key or each.nested_key[0]] = json.loads(each.value_json)
    return identities, steps, settings


def test_it_logs_the_same_values_as_tensorboard_and_resumes_the_same_run(home: Path, tmp_path: Path) -> None:
    train(home, tmp_path / "run", 5)
    run = train(home, tmp_path / "run", None, resume=True)
    identities, steps, settings = told(run)
    record = run.read_record()
    assert identities == {record["wandb"]}
    assert len(list(run.wandb.glob("offline-run-*"))) == 2
    for each in tiny.metrics(run.path):
        names = {"loss": "train/batch_loss", "rate": "rate", "val_error": "val/top1_error", "val_loss": "val/loss"}
        for name, tag in names.items():
            if name in each:
                assert steps[each["step"]][tag] == pytest.approx(each[name])
    assert len(steps) == tiny.EPOCHS * tiny.STEPS_PER_EPOCH
    assert (settings["seed"], settings["batch"], settings["network"]) == (0, 8, "Tiny")
    assert len(settings["commands"]) == 2
    assert not (home / "wandb").exists()


def test_the_training_is_the_same_with_it_and_without(home: Path, tmp_path: Path) -> None:
    train(home, tmp_path / "with", None)
    tiny.run_to(tiny.options(home / "tiny.py", home / "store", tmp_path / "without"))
    tiny.assert_same_run(tmp_path / "with", tmp_path / "without")
    assert RunFolder(tmp_path / "without").read_record()["wandb"] is None


def test_a_failure_at_the_start_is_an_error_before_the_first_step(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("WANDB_MODE", "online"), ("HOME", str(tmp_path)), ("WANDB_API_KEY", "")):
        monkeypatch.setenv(name, value)  # nobody is logged in
    process = Command(
        "train", "tiny.py", "--data", "store", "--out", tmp_path / "run", "--device", "cpu", "--log-wandb", cwd=home
    )
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 1, errors
    assert "error: --log-wandb: Weights & Biases did not start (" in errors
    assert "Traceback" not in errors
    assert not (tmp_path / "run" / "run.json").exists()
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(UserError, match=r"pip install wandb"):
        train(home, tmp_path / "other", None)


def test_a_missing_package_is_an_error_before_a_store_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = tiny.write_network(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "wandb", None)
    tiny.make_images(tmp_path / "images")
    with pytest.raises(UserError, match=r"pip install wandb"):
        tiny.run_to(tiny.options(network, tmp_path / "images", tmp_path / "run", log_wandb=True))
    assert sorted(each.name for each in tmp_path.iterdir()) == ["images", network.name]


def test_a_failure_later_is_a_warning(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    begin = WandbLog.__init__

    def failing(log: WandbLog, folder: Path, identity: str) -> None:
        begin(log, folder, identity)
        assert log._run is not None
        log._run.finish()  # so that what follows raises

    monkeypatch.setattr(WandbLog, "__init__", failing)
    train(home, tmp_path / "run", None)
    assert capsys.readouterr().err.count("warning: Weights & Biases failed (") == 1
    tiny.run_to(tiny.options(home / "tiny.py", home / "store", tmp_path / "without"))
    tiny.assert_same_run(tmp_path / "run", tmp_path / "without")
