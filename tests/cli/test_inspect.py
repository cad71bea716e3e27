"""`alexc inspect`, `alexc runs` and `alexc prepare --dry-run`, as a user sees them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from alexc.commands.inspect import inspect
from alexc.runtime.bytes_text import bytes_text
from alexc.runtime.data.contact_sheet import sheet_images, write_contact_sheet
from alexc.runtime.data.estimate import estimate, estimate_text
from alexc.runtime.data.store import Geometry, open_store
from alexc.runtime.errors import UserError
from alexc.runtime.runs.run_list import HEADER, listed_runs, runs_json
from tests.conftest import Alexc
from tests.data.test_store import flip
from tests.support import tiny_training as tiny
from tests.support.written_runs import run_rows

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inspect")
    tiny.make_store(folder)
    return folder


def test_a_sheet_shows_images_of_every_class_and_the_mean(home: Path, tmp_path: Path) -> None:
    store = open_store(home / "store")
    rows = sheet_images(store)
    assert [label for label, _ in rows] == [0, 1, 2]
    assert all(store.train.labels[image] == label for label, images in rows for image in images)
    assert all(len(set(images)) == len(images) == 8 for _, images in rows)
    write_contact_sheet(store, tmp_path / "sheet.png")
    pixels = np.asarray(Image.open(tmp_path / "sheet.png").convert("RGB")).reshape(-1, 3)
    shown = {tuple(color) for color in pixels.tolist()}
    mean = store.mean_image.round().astype(int).reshape(-1, 3).tolist()
    assert sum(tuple(color) in shown for color in mean) > len(mean) / 2


def test_inspect_tells_counts_and_writes_the_picture(home: Path, tmp_path: Path, alexc: Alexc) -> None:
    result = alexc("inspect", home / "store", "--out", tmp_path / "sheet.png")
    assert result.returncode == 0, result.stderr
    assert "26 images, 8 to 9 per class" in result.stdout
    table = ["   class  train  val", *(f"{label}  {name:<5}" for label, name in enumerate(tiny.CLASSES))]
    assert [line[: len(row)] for line, row in zip(result.stdout.splitlines()[-6:-2], table, strict=True)] == table
    assert "2  red        8    3" in result.stdout
    assert "sheet.png  written" in result.stdout
    assert (tmp_path / "sheet.png").stat().st_size > 10_000
    missing = alexc("inspect", tmp_path)
    assert (missing.returncode, missing.stdout) == (1, "")
    assert "is not a store" in missing.stderr
    nowhere = alexc("inspect", home / "store", "--out", tmp_path / "no" / "sheet.png")
    assert nowhere.returncode == 1
    assert "cannot be written" in nowhere.stderr
    assert "Traceback" not in nowhere.stderr


def test_inspect_verifies_every_file(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = shutil.copytree(home / "store", tmp_path / "store")
    inspect(store, tmp_path / "sheet.png", verify=True)
    assert "verified: every file is as it was written" in capsys.readouterr().out
    flip(store / "val-00000.u8", 77)
    with pytest.raises(UserError, match=r"the store is damaged: .*store: val-00000.u8: its content is not what"):
        inspect(store, tmp_path / "sheet.png", verify=True)


def test_runs_side_by_side(home: Path, tmp_path: Path, alexc: Alexc) -> None:
    network = tiny.write_network(tmp_path)
    tiny.run_to(tiny.options(network, home / "store", tmp_path / "runs" / "whole"))
    tiny.run_to(tiny.options(network, home / "store", tmp_path / "runs" / "seeds" / "seed-7", seed=7), steps=2)
    rows, damaged = run_rows(tmp_path / "runs")
    assert damaged == []
    whole, begun = ([row[HEADER.index(name)] for name in ("run", "seed", "epochs", "loss")] for row in rows)
    records = [each for each in tiny.metrics(tmp_path / "runs" / "whole") if each["kind"] == "epoch"]
    assert whole == ["whole", "0", "3 of 3", f"{records[-1]['train_loss']:.4f}"]
    assert begun[:3] == ["seeds/seed-7", "7", "0 of 3"]
    best = min(each["val_error"] for each in records)
    assert rows[0][HEADER.index("val top-1 err")] == f"{best:.1%}"
    said = json.loads(runs_json(listed_runs(tmp_path / "runs")[0]))
    assert [(Path(each["run"]).name, each["epochs_done"], each["epochs"]) for each in said] == [
        ("whole", 3, 3),
        ("seed-7", 0, 3),
    ]
    assert (said[0]["val_error"], said[0]["loss"]) == (best, records[-1]["train_loss"])
    assert (said[1]["val_error"], said[1]["rate"], said[1]["diverged"]) == (None, None, False)
    shutil.copytree(tmp_path / "runs" / "whole", tmp_path / "runs" / "broken")
    (tmp_path / "runs" / "broken" / "run.json").write_text("{")
    result = alexc("runs", tmp_path / "runs")
    assert result.returncode == 0
    assert len(result.stdout.splitlines()) == 3
    assert "broken/run.json is damaged" in result.stderr
    assert alexc("runs", home).returncode == 1
    with pytest.raises(UserError, match="holds no runs"):
        run_rows(home)


def test_a_dry_run_writes_nothing_and_tells_the_size(home: Path, tmp_path: Path, alexc: Alexc) -> None:
    images = tiny.make_images(tmp_path / "images")
    (images / "val" / "red" / "broken.png").write_bytes(b"no image")
    found = estimate(images, Geometry(24, 20), workers=2)
    assert found.images == {"train": 26, "val": 10}
    assert (found.store_bytes, found.sampled, found.bad) == (36 * 20 * 20 * 3, 36, 1)
    assert found.seconds > 0
    assert "1 of these 36" in estimate_text(found)
    assert "size      43.2 kB" in estimate_text(found).splitlines()
    result = alexc("prepare", images, "--resize", 24, "--crop", 20, "--out", tmp_path / "store", "--dry-run")
    assert result.returncode == 0, result.stderr
    assert "train     26 images" in result.stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == ["images"]


def test_sizes_are_told_in_the_unit_that_suits_them() -> None:
    sizes = (860, 999_999, 1_000_000, 262_144_000_000)
    assert [bytes_text(size) for size in sizes] == ["0.9 kB", "1,000.0 kB", "1.0 MB", "262.1 GB"]
