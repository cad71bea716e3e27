"""Progress in a pipe: a line now and then, and none for short work."""

from __future__ import annotations

import pytest

from alexc.runtime import progress
from alexc.runtime.progress import Progress


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(progress, "time", clock)
    return clock


def test_short_work_says_nothing(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with Progress("draw", 100, "images") as bar:
        for _ in range(100):
            clock.now += 0.09
            bar.advance()
    assert capsys.readouterr() == ("", "")


def test_long_work_says_a_line_every_ten_seconds_and_a_last_one(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    with Progress("train", 5_000, "images", done=1_000) as bar:
        for _ in range(16):
            clock.now += 2
            bar.advance(250, "loss 1.5")
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "train  2,250/5,000 images  125 images/s  loss 1.5  0:22 left",
        "train  3,500/5,000 images  125 images/s  loss 1.5  0:12 left",
        "train  4,750/5,000 images  125 images/s  loss 1.5  0:02 left",
        "train  5,000/5,000 images  125 images/s  loss 1.5",
    ]


def test_work_that_fails_says_no_last_line(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        with Progress("train", 10, "images") as bar:
            clock.now += 11
            bar.advance()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert len(capsys.readouterr().err.splitlines()) == 1
