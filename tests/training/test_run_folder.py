"""What a run tells of itself, and damage of its files that is found before any training."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from alexc.runtime.device import find_device
from alexc.runtime.errors import UserError
from alexc.runtime.evaluation.trained_network import load_trained_network
from alexc.runtime.reporting.settings import settings_of
from alexc.runtime.runs.epoch_metrics import EpochMetrics, loss_text
from alexc.runtime.runs.metrics import Metrics, check_metrics, divergence_in, read_metrics
from alexc.runtime.runs.run_folder import RunFolder, check_room
from alexc.runtime.runs.run_list import HEADER
from alexc.runtime.training.set_up import set_up
from tests.support import tiny_training as tiny
from tests.support.written_runs import run_rows

EPOCH_END = tiny.STEPS_PER_EPOCH


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store, a network with a cosine schedule, a run that is stopped in its second epoch, and a finished one."""
    folder = tmp_path_factory.mktemp("runs")
    tiny.make_store(folder)
    tiny.write_network(folder, (SCHEDULE, "schedule=CosineRate(),"), ("epochs=3", "epochs=2"))
    tiny.run_to(tiny.options(folder / "tiny.py", folder / "store", folder / "begun"), steps=EPOCH_END + 1)
    shutil.copytree(folder / "begun", folder / "finished")
    tiny.run_to(tiny.options(folder / "tiny.py", folder / "store", folder / "finished", resume=True))
    return folder


SCHEDULE = 'schedule=Plateau(of="val_loss", divide=2.0, times=3, patience=1, least=10.0),'


@pytest.fixture
def begun(home: Path, tmp_path: Path) -> Path:
    """A copy of the stopped run."""
    return Path(shutil.copytree(home / "begun", tmp_path / "begun"))


def begin(home: Path, run: Path, **changes: Any) -> None:  # noqa: ANN401
    """Begin to resume a run, and leave it there."""
    with set_up(tiny.options(home / "tiny.py", home / "store", run, resume=True, **changes)):
        pass


def content(run: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in run.iterdir() if path.is_file()}


def test_losses_have_a_fixed_width() -> None:
    values = (0.0, 2.30258, 99.5, 999.9999, 999.99996, 1.7e27, 5610574514888650486573962220273664.0, 1e308)
    assert [loss_text(value) for value in values] == [
        *("0.0000", "2.3026", "99.5000", "999.9999", "1.0e+03", "1.7e+27", "5.6e+33", "1.0e+308")
    ]
    assert loss_text(float("nan")) == "nan"


def test_a_diverged_run_says_so(home: Path, tmp_path: Path) -> None:
    network = tiny.write_network(
        tmp_path, ("self.conv(x / 64)", "self.conv(x / 64) * (torch.nan if self.training else 1)")
    )
    asked = tiny.options(network, home / "store", tmp_path / "runs" / "run")
    with pytest.raises(UserError, match="the loss is nan at step 1 "):
        tiny.run_to(asked)
    run = RunFolder(tmp_path / "runs" / "run")
    (row,), damaged = run_rows(tmp_path / "runs")
    assert (row[HEADER.index("loss")], damaged) == ("diverged", [])
    records = read_metrics(run.metrics)
    trained = load_trained_network(run.path, find_device("cpu"))
    settings = settings_of(run, trained, run.read_record(), records, None)
    assert dict(settings.rows)["diverged"] == "the loss is nan at step 1 (epoch 1)"
    with set_up(replace(asked, resume=run.path)):  # goes on from before the step
        assert divergence_in(read_metrics(run.metrics)) is None


def test_a_run_that_did_not_diverge_does_not_say_so(home: Path) -> None:
    rows, _ = run_rows(home)
    assert "diverged" not in [row[HEADER.index("loss")] for row in rows]


def test_more_epochs_that_change_the_rate_are_told(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Path(shutil.copytree(home / "finished", tmp_path / "run"))
    begin(home, run, epochs=4)
    said = capsys.readouterr().out
    assert "all epochs, 4 now and 2 before: the rate of the next step is 0.01, not 0;" in said  # 0.02 (1 + cos(pi/2))/2
    begin(home, run, epochs=4)  # as it was recorded
    assert "spreads over" not in capsys.readouterr().out


def test_fewer_epochs_than_are_done_are_refused(home: Path, begun: Path, tmp_path: Path) -> None:
    before = content(begun)
    with pytest.raises(UserError, match=r"--epochs 1: .*begun is in epoch 2 already; give 2 or more"):
        begin(home, begun, epochs=1)
    assert content(begun) == before
    run = Path(shutil.copytree(home / "finished", tmp_path / "finished"))
    with pytest.raises(UserError, match=r"--epochs 1: .*finished has done 2 epochs already; give 2 or more"):
        begin(home, run, epochs=1)
    begin(home, run, epochs=2)


def test_a_finished_run_says_how_to_train_on(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = Path(shutil.copytree(home / "finished", tmp_path / "run"))
    begin(home, run)
    assert "all 2 epochs are done; a larger --epochs continues it" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("edit", "who"),
    [
        ((SCHEDULE, SCHEDULE.replace("times=3", "times=0")), "its schedule"),
        (("    batch=8", '    stop=Reached(of="val_error", value=1.0),\n    batch=8'), "early stopping"),
    ],
)
def test_more_epochs_after_an_early_end_name_the_way_on(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], edit: tuple[str, str], who: str
) -> None:
    network = tiny.write_network(tmp_path, edit, ("lr=0.02", "lr=1e-12"))
    asked = tiny.options(network, home / "store", tmp_path / "run")
    tiny.run_to(asked)
    capsys.readouterr()
    with set_up(replace(asked, resume=tmp_path / "run", epochs=9)) as trainer:
        assert trainer.is_over
    command = f"alexc train {network} --weights {tmp_path / 'run'}"
    assert f"{who} ended it, so --epochs does not continue it; a new run from its weights: {command}" in (
        capsys.readouterr().out
    )


def test_another_rate_names_the_way_on(home: Path, begun: Path, tmp_path: Path) -> None:
    network = tmp_path / "other.py"
    network.write_text((home / "tiny.py").read_text().replace("lr=0.02", "lr=0.01"))
    asked = tiny.options(network, home / "store", begun, resume=True)
    said = f"with another rate: alexc train {network} --weights {begun}$"
    with pytest.raises(UserError, match=said), set_up(asked):
        pass


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda lines: lines[:40], r"is cut off \(it has 40 of [\d,]+ bytes\)"),
        (lambda lines: b"x" + lines[1:], "is damaged .*expected one JSON object a line"),
        (
            lambda lines: lines.replace(b'"kind": "step"', b'"kind": "stop"', 1),
            r"what training wrote \(line 1",
        ),
        (
            lambda lines: lines.replace(b'"step": 2,', b'"step": [], ', 1)[: len(lines)],
            r"restore what training wrote \(line 2\)",
        ),
        (lambda lines: b"[]\n" + lines[3:], r"what training wrote \(line 1"),
    ],
)
def test_damaged_metrics_are_told_before_a_step(home: Path, begun: Path, damage: Any, words: str) -> None:  # noqa: ANN401
    path = begun / "metrics.jsonl"
    path.write_bytes(damage(path.read_bytes()))
    before = content(begun)
    with pytest.raises(UserError, match=words) as raised:
        begin(home, begun)
    assert "move it away to continue without the records so far" in str(raised.value)
    assert content(begun) == before
    path.rename(begun.parent / "away")
    tiny.run_to(tiny.options(home / "tiny.py", home / "store", begun, resume=True))
    assert [each["step"] for each in read_metrics(path) if each["kind"] == "step"] == [6, 7, 8]


def test_metrics_behind_the_checkpoint_may_be_damaged(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    with Metrics(path, None, 0, 0) as metrics:
        metrics.step(1, 1, float("inf"), 0.1)
        metrics.epoch(1, 1, EpochMetrics(1.0, 1.0, float("nan"), 1.0, 1.0), 0.1, 2.0, 3.0)
        metrics.note(1, 1, "so")
        metrics.ended("diverged", 2, 1, "the loss is nan")
    kept = path.stat().st_size
    path.write_bytes(path.read_bytes() + b"{garbage\n")
    check_metrics(path, kept)
    with pytest.raises(UserError, match="is damaged"):
        read_metrics(path)


def test_without_a_checkpoint_the_best_weights_are_named(home: Path, begun: Path) -> None:
    for name in ("last.pt", "previous.pt"):
        (begun / name).write_bytes(b"")
    with pytest.raises(
        UserError, match=f"from the weights of epoch 1, which are intact: add --weights {begun}/best.pt$"
    ):
        begin(home, begun)
    (begun / "best.pt").write_bytes(b"")
    with pytest.raises(UserError, match=r"last\.pt is missing\): train again into another folder$"):
        begin(home, begun)


RECORD_EDITS: list[dict[str, Any]] = [
    {"epochs": "3"}, {"epochs": None}, {"batch": 0}, {"seed": -1}, {"seed": True}, {"data": 1}, {"freeze": None},
    {"freeze": [1]}, {"amp": "fp8"}, {"amp": {}}, {"accumulate": "1"}, {"commands": [1]}, {"commands": None},
    {"network": []}, {"store": {}}, {"started": 1}, {"weights": 1},
]  # fmt: skip


@pytest.mark.parametrize("edit", [None, *RECORD_EDITS], ids=str)
def test_a_record_that_training_did_not_write_is_refused(home: Path, begun: Path, edit: dict[str, Any] | None) -> None:
    path = begun / "run.json"
    path.write_text(json.dumps({} if edit is None else json.loads(path.read_text()) | edit))
    name = "network" if edit is None else next(iter(edit))
    with pytest.raises(
        UserError, match=rf"run\.json is damaged: restore what training wrote \(`{name}`\), or .*--weights .*best\.pt$"
    ):
        begin(home, begun)
    rows, damaged = run_rows(begun.parent)
    assert (rows, len(damaged)) == ([], 1)


def test_an_older_record_has_less(begun: Path) -> None:
    path = begun / "run.json"
    record = json.loads(path.read_text())
    for name in ("freeze", "amp", "accumulate", "weights", "wandb"):
        del record[name]
    path.write_text(json.dumps(record))
    assert RunFolder(begun).read_record() == record


def test_a_run_folder_that_is_gone_is_told(home: Path, begun: Path) -> None:
    with set_up(tiny.options(home / "tiny.py", home / "store", begun, resume=True)) as trainer:
        shutil.rmtree(begun)
        with pytest.raises(UserError, match="begun was deleted or moved while it was in use"):
            trainer.save()
    with pytest.raises(UserError, match=r"begun does not exist: .*`alexc runs` lists the runs"):
        begin(home, begun)


def test_little_room_is_told_in_a_unit_that_shows_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(0, 0, 12_000))
    with pytest.raises(UserError, match=r"has 12\.0 kB free, and the checkpoints need 40\.1 kB: make room"):
        check_room(tmp_path, 40_100)
