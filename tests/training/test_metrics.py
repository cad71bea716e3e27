"""The metrics of a training: JSON lines, event files and curves."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import (  # type: ignore[import-untyped]
    EventAccumulator,
)

from alexc.runtime.errors import UserError
from alexc.runtime.runs.epoch_metrics import EpochMetrics
from alexc.runtime.runs.metrics import Metrics, read_metrics
from alexc.runtime.training.curves import draw_curves

FIGURES = EpochMetrics(2.5, 0.9, 2.25, 0.8, 0.4)


def write(folder: Path, steps: range, kept: int = 0, step: int = 0) -> int:
    with Metrics(folder / "metrics.jsonl", folder / "events", kept, step) as metrics:
        for number in steps:
            metrics.step(number, 1, loss=number / 8, rate=0.01)
        return metrics.sync()


def test_lines_are_json(tmp_path: Path) -> None:
    with Metrics(tmp_path / "metrics.jsonl", tmp_path / "events", 0, 0) as metrics:
        metrics.step(1, 1, math.inf, 0.01)
        metrics.epoch(1, 1, FIGURES, 0.01, 3.0, 40.0)
        metrics.note(1, 1, "ünd so")
    assert read_metrics(tmp_path / "metrics.jsonl") == [
        {"kind": "step", "step": 1, "epoch": 1, "loss": None, "rate": 0.01},
        {
            "kind": "epoch", "step": 1, "epoch": 1, "train_loss": 2.5, "train_error": 0.9, "val_loss": 2.25,
            "val_error": 0.8, "val_top5_error": 0.4, "rate": 0.01, "seconds": 3.0, "images_per_second": 40.0,
        },
        {"kind": "note", "step": 1, "epoch": 1, "text": "ünd so"},
    ]  # fmt: skip


def test_continues_where_the_checkpoint_was_saved(tmp_path: Path) -> None:
    kept = write(tmp_path, range(1, 4))
    assert kept == (tmp_path / "metrics.jsonl").stat().st_size
    write(tmp_path, range(4, 9), kept, 3)
    again = write(tmp_path, range(4, 6), kept, 3)
    assert [record["step"] for record in read_metrics(tmp_path / "metrics.jsonl")] == [1, 2, 3, 4, 5]
    assert again == (tmp_path / "metrics.jsonl").stat().st_size


def test_tensorboard_shows_each_step_once(tmp_path: Path) -> None:
    write(tmp_path, range(1, 8))
    write(tmp_path, range(4, 6), 0, 3)
    events = EventAccumulator(str(tmp_path / "events"))
    events.Reload()
    shown = [(event.step, event.value) for event in events.Scalars("train/batch_loss")]
    assert shown == [(step, step / 8) for step in range(1, 6)]


def test_reading_skips_a_line_that_was_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    write(tmp_path, range(1, 3))
    path.write_text(path.read_text() + '{"kind": "st')
    assert len(read_metrics(path)) == 2
    path.write_text("hello\n")
    with pytest.raises(UserError, match=r"metrics\.jsonl is damaged"):
        read_metrics(path)
    with pytest.raises(UserError, match=r"none\.jsonl cannot be read"):
        read_metrics(tmp_path / "none.jsonl")


@pytest.mark.parametrize(
    "value", ["null", "[]", "-1", "0.5", "1" + "0" * 400, '"x"', "{}", "NaN", "[" * 50_000, '{"a":' * 50_000]
)
@pytest.mark.parametrize("name", ["kind", "step", "epoch", "loss", "rate"])
def test_records_that_training_cannot_have_written(tmp_path: Path, name: str, value: str) -> None:
    path = tmp_path / "metrics.jsonl"
    entries = {"kind": '"step"', "step": "1", "epoch": "1", "loss": "1.5", "rate": "0.1"} | {name: value}
    path.write_text("{" + ", ".join(f'"{key}": {entry}' for key, entry in entries.items()) + "}\n")
    if name in ("loss", "rate") and value in ("null", "-1", "0.5"):
        assert len(read_metrics(path)) == 1
        return
    with pytest.raises(UserError, match=r"metrics\.jsonl is damaged"):
        read_metrics(path)


@pytest.mark.parametrize("epochs", [0, 1, 60])
def test_curves_show_every_line(tmp_path: Path, epochs: int) -> None:
    path = tmp_path / "metrics.jsonl"
    with Metrics(path, tmp_path / "events", 0, 0) as metrics:
        for step in range(1, 4 * epochs + 1):
            metrics.step(step, 1, 3 / step, 0.01)
            if step % 4 == 0:
                metrics.epoch(step, step // 4, EpochMetrics(3 / step, 0.5, math.nan, 0.6, 0.3), 0.01, 1, 1)
    draw_curves(read_metrics(path), "Tiny", 4, tmp_path / "curves.png")
    with Image.open(tmp_path / "curves.png") as image:
        pixels = np.asarray(image.convert("RGB")).astype(int)
    assert pixels.shape[1] > 1200
    for color in ((0x3B, 0x6F, 0xB6), (0xC8, 0x55, 0x3D), (0xE3, 0xA8, 0x57)):
        drawn = (np.abs(pixels - color).sum(2) < 12).sum()
        assert drawn > (150 if epochs > 1 else 0)  # with no epoch there is only the legend


def test_the_picture_of_the_curves_needs_no_home_and_no_font_for_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for name in ("HOME", "MPLCONFIGDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, "/dev/null/none")
    draw_curves(
        [{"kind": "step", "step": 1, "loss": 1.0, "rate": 0.01}], "\u65e5\u672c <&\u0b95", 1, tmp_path / "c.png"
    )
    assert tuple(capfd.readouterr()) == ("", "")
    assert (tmp_path / "c.png").stat().st_size > 1000


def test_the_file_holds_no_number_that_json_lacks(tmp_path: Path) -> None:
    with Metrics(tmp_path / "metrics.jsonl", tmp_path / "events", 0, 0) as metrics:
        metrics.step(1, 1, math.nan, 0.01)
    assert json.loads((tmp_path / "metrics.jsonl").read_text(), parse_constant=pytest.fail)["loss"] is None
