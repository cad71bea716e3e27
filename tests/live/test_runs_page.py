"""The data of `alexc runs --live`: lists and curves of runs that strangers may have written."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from starlette.testclient import TestClient
from typer.testing import CliRunner

from alexc.commands.runs import runs as runs_command
from alexc.live.runs_page import MOST_SHOWN, RunsPage
from alexc.runtime.reporting.curves import Curves, curves_of
from alexc.runtime.runs.metrics import read_metrics
from tests.conftest import ROOT
from tests.support.written_runs import appended, write_epochs, write_record

SPEC = (ROOT / "examples" / "small.net").read_text()
OTHER = SPEC.replace("conv 32 kernel=5", "conv 32 kernel=7").replace("lr=0.01", "lr=0.02")


class Asking:
    """Asks a page for its data."""

    def __init__(self, folder: Path) -> None:
        page = RunsPage(folder).page()
        self._client = TestClient(page.app(), base_url="http://127.0.0.1:8000")
        self._headers = {"Authorization": f"Bearer {page.token}"}

    def get(self, path: str) -> Any:  # noqa: ANN401
        answer = self._client.get(f"/api/runs/{path}", headers=self._headers)
        return answer.json() if answer.status_code == 200 else answer.status_code

    def without_token(self, path: str) -> int:
        return self._client.get(f"/api/runs/{path}").status_code


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two runs: one of two epochs, and one whose names do harm where they are not escaped."""
    write_record(tmp_path / "one", network="small")
    write_epochs(tmp_path / "one", range(1, 3))
    other = tmp_path / "<b>two\x1b[31m"
    write_record(other, network="<script>alert(1)</script>", seed=7, started="2026-05-06T00:00\x1b[31m", lr=0.5)
    write_epochs(other, range(1, 2))
    with appended(other) as metrics:
        metrics.note(20, 1, "\u202e<img src=x>")
    return tmp_path


def test_the_list_has_the_cells_of_the_command(folder: Path) -> None:
    page = Asking(folder)
    found = page.get("list")
    assert [run["cells"][0] for run in found["runs"]] == ["<b>two\\x1b[31m", "one"]
    assert found["runs"][1]["cells"][5:8] == ["2 of 10", "45.0%", "2"]
    assert found["runs"][1]["done"] == pytest.approx(0.2)
    columns = page.get("names")["columns"]
    assert len(columns) == len(found["runs"][0]["cells"])
    assert all(text.isprintable() for run in found["runs"] for text in run["cells"])


def test_what_has_not_changed_is_not_sent_again(folder: Path) -> None:
    page = Asking(folder)
    found = page.get("list")
    assert page.get(f"list?since={found['version']}") == 204
    identity = found["runs"][1]["id"]
    curves = page.get(f"curves/{identity}")
    assert page.get(f"curves/{identity}?since={curves['version']}") == 204
    write_epochs(folder / "one", range(3, 4))
    assert page.get(f"curves/{identity}?since={curves['version']}") == 204  # the next list reads it
    assert page.get(f"list?since={found['version']}")["runs"][1]["cells"][5] == "3 of 10"
    assert len(page.get(f"curves/{identity}?since={curves['version']}")["rows"]) == 3


def test_curves_and_rows_are_those_of_the_report(folder: Path) -> None:
    page = Asking(folder)
    curves = page.get(f"curves/{page.get('list')['runs'][1]['id']}")
    records = read_metrics(folder / "one" / "metrics.jsonl")
    report = curves_of(records)
    assert isinstance(report, Curves)
    assert [tuple(row) for row in curves["rows"]] == list(report.epochs)
    assert curves["best"] == report.best
    steps = [record for record in records if record["kind"] == "step"]
    assert curves["steps"]["loss"] == [record["loss"] for record in steps]
    assert curves["epochs"]["val_error"] == [record["val_error"] for record in records if record["kind"] == "epoch"]
    labels = {line.label for chart in report.charts for line in chart.lines}
    assert labels < set(page.get("names")["curves"].values())


def test_the_top5_error_is_left_out_below_five_classes(folder: Path) -> None:
    write_record(folder / "one", top5=False)
    page = Asking(folder)
    curves = page.get(f"curves/{page.get('list')['runs'][1]['id']}")
    assert "top-5 error" not in curves["header"]
    assert "val_top5_error" not in curves["epochs"]
    assert len(curves["rows"][0]) == len(curves["header"])


def test_names_and_notes_of_strangers_are_printable(folder: Path) -> None:
    page = Asking(folder)
    curves = page.get(f"curves/{page.get('list')['runs'][0]['id']}")
    assert curves["notes"] == [["epoch 1, step 20", "\\u202e<img src=x>"]]
    assert ["network", "<script>alert(1)</script>"] in curves["settings"]
    assert all(text.isprintable() for row in curves["settings"] for text in row)


def test_settings_are_the_options_and_the_spec(folder: Path) -> None:
    (folder / "one" / "network.net").write_text(SPEC)
    (folder / "<b>two\x1b[31m" / "network.net").write_text(OTHER)
    page = Asking(folder)
    two, one = (dict(page.get(f"curves/{run['id']}")["settings"]) for run in page.get("list")["runs"])
    differing = {name for name in one.keys() | two.keys() if one.get(name) != two.get(name)}
    assert differing == {"network", "seed", "learning rate", "train optimizer", "layer conv1", "parameters"}
    assert one["layer conv1"].startswith("conv 32 kernel=5 ")
    assert two["layer conv1"].startswith("conv 32 kernel=7 ")
    assert two["learning rate"] == "0.5, in place of the recipe's"


@pytest.mark.parametrize("text", [b"network {", b"\xff", b"x" * ((1 << 20) + 1), b'extends "/etc/passwd"'])
def test_a_damaged_spec_leaves_its_settings_out(folder: Path, text: bytes) -> None:
    (folder / "one" / "network.net").write_bytes(text)
    page = Asking(folder)
    settings = dict(page.get(f"curves/{page.get('list')['runs'][1]['id']}")["settings"])
    assert settings["seed"] == "1"
    assert "layers" not in settings


def test_a_damaged_record_is_no_error_of_the_page(folder: Path) -> None:
    write_record(folder / "one", commands=[{"device_name": "cpu"}])
    write_record(folder / "three", commands=[])
    (folder / "four").mkdir()
    (folder / "four" / "run.json").write_text("{")
    page = Asking(folder)
    found = page.get("list")
    assert {run["cells"][0] for run in found["runs"]} == {"<b>two\\x1b[31m", "three", "one"}
    assert (len(found["damaged"]), found["damagedInAll"]) == (1, 1)
    for run in found["runs"][1:]:
        assert page.get(f"curves/{run['id']}")["settings"][-1] == ["run.json", "damaged"]


def test_numbers_that_are_missing_are_null(folder: Path) -> None:
    with (folder / "one" / "metrics.jsonl").open("a") as file:
        for step, loss in ((41, "null"), (42, "NaN"), (43, "1e308")):
            file.write(f'{{"kind": "step", "step": {step}, "epoch": 3, "loss": {loss}, "rate": 0}}\n')
        file.write('{"kind": "step", "step": 44, "epo')
    page = Asking(folder)
    run = page.get("list")["runs"][1]
    assert run["damagedLines"] == 1
    assert page.get(f"curves/{run['id']}")["steps"]["loss"][-2:] == [None, 1e308]


@pytest.mark.parametrize("path", ["curves/0000000000000000", "curves/..%2f..%2fone", "curves/one", "curves/%00"])
def test_only_runs_that_were_listed_have_curves(folder: Path, path: str) -> None:
    page = Asking(folder)
    page.get("list")
    assert page.get(path) == 404


def test_all_data_need_the_token(folder: Path) -> None:
    page = Asking(folder)
    identity = page.get("list")["runs"][0]["id"]
    for path in ("list", "names", f"curves/{identity}"):
        assert page.without_token(path) == 403


def test_more_shown_runs_than_a_page_has_are_no_error(folder: Path) -> None:
    page = Asking(folder)
    assert len(page.get(f"list?shown={','.join(['x'] * (5 * MOST_SHOWN))}")["runs"]) == 2


def test_the_command_needs_a_folder(tmp_path: Path) -> None:
    alone = typer.Typer()
    alone.command()(runs_command)
    result = CliRunner().invoke(alone, [str(tmp_path / "missing"), "--live"])
    assert "missing is not a folder: expected one with runs in it" in str(result.exception)


def test_the_page_and_the_list_never_import_torch(folder: Path) -> None:
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from alexc.commands.runs import runs\n"
        "from alexc.live.runs_page import RunsPage\n"
        "folder = Path(sys.argv[1])\n"
        "runs(folder)\n"
        "page = RunsPage(folder)\n"
        "seen = page._runs.look()\n"
        "[page._settings.of(page._runs.curves(run.identity).files) for run in seen.runs]\n"
        "heavy = {'torch', 'torchvision', 'numpy', 'matplotlib', 'tensorboard'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    (folder / "one" / "network.net").write_text(SPEC)
    subprocess.run([sys.executable, "-c", code, folder], check=True, capture_output=True)


def test_numbers_beyond_all_trainings_can_be_shown(folder: Path) -> None:
    write_record(folder / "one", epochs=2**53 - 1, steps_per_epoch=2**53 - 1, commands=[])
    write_record(folder / "none", epochs=2**53)
    found = Asking(folder).get("list")
    assert (found["damagedInAll"], len(found["runs"])) == (1, 2)
    run = found["runs"][1]
    assert (run["state"], run["done"], run["left"]) == ("unknown", 0.0, "277777:46:40")
