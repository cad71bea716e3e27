"""What a training prints: the lines of its epochs, and the list of files at its end."""

from __future__ import annotations

from pathlib import Path

import pytest

from alexc.runtime.runs import console
from alexc.runtime.runs.console import print_epoch, print_files, print_header
from alexc.runtime.runs.epoch_metrics import EpochMetrics

WIDEST = EpochMetrics(train_loss=-1.7e27, train_error=1, val_loss=1, val_error=1, val_top5_error=1)


def test_remarks_are_aligned_after_names_of_any_length(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = [tmp_path / "plain", tmp_path / "steers\x1b[31m"]
    for path in paths:
        path.touch()
    print_files([("best", paths[0], "first"), ("metrics", paths[1], "second")])
    first, second = capsys.readouterr().out.splitlines()[1:]
    assert first.index("first") == second.index("second")
    assert second.isprintable()


@pytest.fixture
def terminal(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int | None:
    console._shown_columns.cache_clear()
    width: int | None = request.param
    monkeypatch.setattr(console, "terminal_width", lambda: width)
    return width


def epoch_lines(capsys: pytest.CaptureFixture[str], top5: bool) -> list[str]:
    print_header([("network", "Tiny")], [], top5)
    print_epoch(123_456, WIDEST, 1.234e-05, 12_345_678.9, 360_000, top5)
    return capsys.readouterr().out.splitlines()[-2:]


@pytest.mark.parametrize("terminal", [None], indirect=True)
def test_numbers_of_any_width_stay_apart(terminal: None, capsys: pytest.CaptureFixture[str]) -> None:
    header, line = epoch_lines(capsys, top5=True)
    assert len(header) <= 80
    assert header.split("  ")[-1].strip() == "time"
    assert line.split() == ["123456", "-1.7e+27", "100.0%", "100.0%", "100.0%", "1.23e-05", "12,345,678.9", "100:00:00"]


@pytest.mark.parametrize("terminal", [None], indirect=True)
def test_the_top5_error_of_few_classes_is_left_out(terminal: None, capsys: pytest.CaptureFixture[str]) -> None:
    header, line = epoch_lines(capsys, top5=False)
    assert "top-5" not in header
    assert line.split()[2:5] == ["100.0%", "100.0%", "1.23e-05"]


@pytest.mark.parametrize("terminal", [40, 60], indirect=True)
def test_a_narrow_terminal_gets_fewer_columns(
    terminal: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    header, line = epoch_lines(capsys, top5=True)
    assert len(header) <= terminal
    assert line.split()[:3] == ["123456", "-1.7e+27", "100.0%"]
    monkeypatch.setattr(console, "terminal_width", lambda: 200)  # the user widens the terminal
    print_epoch(1, WIDEST, 0.1, 1, 1, top5=True)
    assert len(capsys.readouterr().out.split()) == len(line.split())
