"""Runs that are watched while they are trained: what is read of files that grow, are damaged or disappear."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from alexc.runtime.folder_lock import folder_lock
from alexc.runtime.runs import growing_metrics, watched_runs
from alexc.runtime.runs.condition import State
from alexc.runtime.runs.course import MOST_POINTS, Course, Thinned
from alexc.runtime.runs.growing_metrics import GrowingMetrics
from alexc.runtime.runs.held_locks import HeldLocks
from alexc.runtime.runs.metrics import Ending, read_metrics
from alexc.runtime.runs.pace import Pace, seconds_left
from alexc.runtime.runs.watched_runs import RunNow, WatchedRuns
from tests.support.written_runs import BATCH, STEPS_PER_EPOCH, appended, run_rows, write_epochs, write_record


def lists_locks() -> bool:
    """Whether the locks of `folder_lock` are those that Linux lists."""
    try:
        import fcntl  # noqa: F401
    except ImportError:
        return False
    return HeldLocks().holds(Path(__file__)) is not None


needs_proc_locks = pytest.mark.skipif(not lists_locks(), reason="the system lists no locks")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run of this machine that has done two of ten epochs."""
    write_record(tmp_path / "runs" / "run")
    write_epochs(tmp_path / "runs" / "run", range(1, 3))
    return tmp_path / "runs" / "run"


def only(runs: WatchedRuns) -> RunNow:
    (found,) = runs.look().runs
    return found


def step_line(step: int, loss: float | None = 1.0) -> bytes:
    return json.dumps({"kind": "step", "step": step, "epoch": 1, "loss": loss, "rate": 0.1}).encode() + b"\n"


def content(folder: Path) -> dict[Path, tuple[int, bytes]]:
    return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.rglob("*") if path.is_file()}


# ---------------------------------------------------------------- the course of a run


@pytest.mark.parametrize("count", [0, 1, 5, MOST_POINTS // 2, MOST_POINTS // 2 + 1, 12_345])
def test_points_are_thinned_to_the_lowest_and_the_highest_of_each_group(count: int) -> None:
    values = [(place * 7919) % 1009 + (5000 if place == 777 else 0) for place in range(count)]
    thinned: Thinned[tuple[int, int]] = Thinned(lambda point: point[1])
    for point in enumerate(values):
        thinned.add(point)
    kept = thinned.points
    assert len(kept) <= MOST_POINTS + 1
    assert kept == sorted(set(kept))
    assert all(values[place] == value for place, value in kept)
    assert thinned.is_complete == (count <= MOST_POINTS // 2)
    if thinned.is_complete:
        assert len(kept) == count
    if count:
        assert kept[-1] == (count - 1, values[-1])
        assert {min(values), max(values)} <= {value for _, value in kept}


def test_a_point_without_a_number_is_kept_only_where_no_other_is() -> None:
    thinned: Thinned[float | None] = Thinned(lambda value: value)
    for place in range(2 * MOST_POINTS):
        thinned.add(None if place % 2 or place > MOST_POINTS else float(place))
    assert None in thinned.points
    assert {0.0, float(MOST_POINTS)} <= {value for value in thinned.points if value is not None}


def test_the_list_and_the_watcher_have_the_same_numbers(run: Path) -> None:
    (row,), damaged = run_rows(run.parent)
    assert damaged == []
    listed = only(WatchedRuns(run.parent)).listed
    assert (row[5], row[6], row[7]) == ("2 of 10", "45.0%", "2")
    assert (listed.epochs_done, listed.val_error, listed.best_epoch) == (2, 0.45, 2)
    assert f"{listed.loss:.4f}" == row[8]


# ---------------------------------------------------------------- metrics that grow


def test_a_line_that_is_cut_is_read_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    metrics = GrowingMetrics(path)
    metrics.read()
    assert metrics.written is None  # it is missing
    lines = step_line(1) + step_line(2)
    for end in range(len(lines) + 1):
        path.write_bytes(lines[:end])
        metrics.read()
        assert metrics.course.step == lines[:end].count(b"\n")
    assert metrics.damaged == 0
    assert metrics.unread == 0


@pytest.mark.parametrize(
    "line",
    [
        b"{", b"garbage", b"[]", b"\xff\xfe", b"", b"[" * 100_000, b'{"kind": "step"}', b"9" * 5000,
        b'{"kind": "step", "step": 2, "epoch": 1, "loss": NaN, "rate": 1}',
        b'{"kind": "step", "step": 2, "epoch": 1, "loss": 1e999, "rate": 1}',
        b'{"kind": "step", "step": -2, "epoch": 1, "loss": 1, "rate": 1}',
        b'{"kind": "step", "step": 1, "epoch": 1, "loss": 1, "rate": 1}',  # a second time
    ],
)  # fmt: skip
def test_a_damaged_line_is_left_out_and_counted(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(step_line(1) + line + b"\n" + step_line(3, None))
    metrics = GrowingMetrics(path)
    metrics.read()
    assert ([point.step for point in metrics.course.steps.points], metrics.damaged) == ([1, 3], 1)


def test_a_line_without_an_end_fills_no_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CHUNK", "_LONGEST_LINE"):
        monkeypatch.setattr(growing_metrics, name, 1000)
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(step_line(1) + b"x" * 5500 + b"\n" + step_line(2))
    metrics = GrowingMetrics(path)
    metrics.read()
    assert (metrics.course.step, metrics.damaged, metrics.unread) == (2, 1, 0)


def test_a_resumed_training_cuts_lines_off_and_writes_others(run: Path) -> None:
    path = run / "metrics.jsonl"
    metrics = GrowingMetrics(path)
    metrics.read()
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:10]))
    metrics.read()
    assert (metrics.course.step, metrics.course.epochs_done) == (10, 0)
    more = [line.replace(b'"rate": 0.01', b'"rate": 0.02') for line in lines]
    path.write_bytes(b"".join(more))  # longer than what was read, and different
    metrics.read()
    assert (metrics.course.epochs_done, metrics.damaged) == (2, 0)
    assert {point.rate for point in metrics.course.steps.points} == {0.02}


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "metrics.jsonl")
    GrowingMetrics(tmp_path / "metrics.jsonl").read()
    os.mkfifo(tmp_path / "run.json")
    look = WatchedRuns(tmp_path).look()
    assert look.runs == ()
    assert "not a run" in look.damaged[0]


def test_long_metrics_are_read_in_parts_and_the_end_is_known_before(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with appended(run) as metrics:
        for step in range(41, 2000):
            metrics.step(step, 3, 0.5, 0.01)
        metrics.ended("stopped", 1999, 3, "by a signal")
    monkeypatch.setattr(growing_metrics, "CHUNK", 20_000)
    clock = iter(range(1, 1_000_000))  # a second passes from one look at the clock to the next
    monkeypatch.setattr("time.monotonic", lambda: next(clock))
    monkeypatch.setattr(watched_runs, "_SECONDS_FOR_SHOWN", 4.0)
    monkeypatch.setattr(watched_runs, "_SECONDS_FOR_OTHERS", 2.0)
    runs = WatchedRuns(run.parent)
    first = only(runs)
    assert (first.condition.state, 0 < first.share_read < 0.2) == (State.STOPPED, True)
    shown = runs.look([first.identity]).runs[0]
    assert 0.3 < shown.share_read < 1
    while only(runs).share_read < 1:
        pass
    assert only(runs).step == 1999


# ---------------------------------------------------------------- the state


@pytest.mark.parametrize(
    ("ending", "state", "reason"),
    [
        ("finished", State.FINISHED, "It ended after epoch 2 of 10."),
        ("stopped", State.STOPPED, "Stopped by a signal after step 40."),
        ("diverged", State.DIVERGED, "by a signal at step 40 (epoch 2)."),
    ],
)
def test_a_training_records_how_it_ends(run: Path, ending: Ending, state: State, reason: str) -> None:
    with appended(run) as metrics:
        metrics.ended(ending, 40, 2, "by a signal")
    condition = only(WatchedRuns(run.parent)).condition
    assert (condition.state, condition.reason) == (state, reason)


@needs_proc_locks
def test_a_training_without_an_end_runs_while_the_lock_is_held(run: Path) -> None:
    runs = WatchedRuns(run.parent)
    with folder_lock(run):
        assert only(runs).condition.state is State.RUNNING
        held = HeldLocks()
        assert held.holds(run / "lock")
        assert held.holds(run / "run.json") is False
        assert held.holds(run / "missing") is False
    assert only(runs).condition.state is State.CRASHED
    write_epochs(run, range(3, 11))
    assert only(runs).condition.state is State.FINISHED  # by a version that recorded no end


@needs_proc_locks
def test_a_process_that_waits_for_the_lock_does_not_hold_it(run: Path) -> None:
    import fcntl

    (run / "lock").touch()
    descriptor = os.open(run / "lock", os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    code = "import fcntl, sys; fcntl.flock(open(sys.argv[1]), fcntl.LOCK_EX)"
    with subprocess.Popen([sys.executable, "-c", code, run / "lock"]) as waiting:
        while "->" not in Path("/proc/locks").read_text():
            assert waiting.poll() is None
        assert HeldLocks().holds(run / "lock")
        waiting.kill()
    os.close(descriptor)
    assert HeldLocks().holds(run / "lock") is False


def test_a_training_on_another_machine_may_still_run(run: Path) -> None:
    command = json.loads((run / "run.json").read_text())["commands"][-1]
    for host, shown in (("gpu7\x1b[31m", "on gpu7\\x1b[31m"), (None, "on another machine")):
        write_record(run, commands=[{**command, "host": host}])
        condition = only(WatchedRuns(run.parent)).condition
        assert condition.state is State.UNKNOWN
        assert f"It was started {shown}, and no end is recorded." in condition.reason


def test_where_locks_are_not_listed_the_state_is_unknown(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("alexc.runtime.runs.held_locks._LIST", run / "missing")
    condition = only(WatchedRuns(run.parent)).condition
    assert condition.state is State.UNKNOWN
    assert "this system does not list locks" in condition.reason


def test_nothing_is_written_or_locked(run: Path) -> None:
    before = content(run.parent)
    runs = WatchedRuns(run.parent)
    with folder_lock(run):
        runs.look()
    (run / "lock").unlink(missing_ok=True)
    runs.curves(only(runs).identity)
    assert content(run.parent) == before


# ---------------------------------------------------------------- speed and time left


def test_the_speed_is_that_of_the_records_of_the_last_minute() -> None:
    pace, course = Pace(), Course()
    assert pace.steps_per_second is None
    for step, written in ((10, 100.0), (20, 102.0), (20, 103.0), (30, 104.0)):
        course.add(json.loads(step_line(step)))
        pace.look(course, written)
    assert pace.steps_per_second == 5.0
    course.add(json.loads(step_line(130)))
    pace.look(course, 204.0)
    assert pace.steps_per_second == 1.0
    course.epochs_done += 1  # validation is not training
    pace.look(course, 300.0)
    assert pace.steps_per_second is None


def test_the_time_left_is_that_of_the_last_epoch_or_the_speed(run: Path) -> None:
    record: dict[str, Any] = json.loads((run / "run.json").read_text())
    course = Course(read_metrics(run / "metrics.jsonl"))
    assert seconds_left(record, course, Pace(), None) == pytest.approx(8 * 12.5)
    record["iterations"] = 50
    assert seconds_left(record, course, Pace(), None) == pytest.approx(10 / STEPS_PER_EPOCH * 12.5)
    early = Course([json.loads(step_line(10))])
    start = datetime.fromisoformat(record["commands"][0]["started"]).timestamp()
    assert seconds_left(record, early, Pace(), start + 5) == pytest.approx(40 / 2)
    assert seconds_left(record, early, Pace(), start - 5) is None
    assert seconds_left(record, Course(), Pace(), start) is None
    assert seconds_left({**record, "commands": [{}]}, early, Pace(), start) is None
    del record["steps_per_epoch"], record["iterations"]  # of an older version
    assert seconds_left(record, early, Pace(), start) is None
    assert seconds_left(record, course, Pace(), start) == pytest.approx(8 * 12.5)


@needs_proc_locks
def test_a_running_training_shows_its_speed_and_its_rate_now(run: Path) -> None:
    runs = WatchedRuns(run.parent)
    with folder_lock(run):
        assert only(runs).listed.images_per_second == 1234
        for step, written in ((50, 1000), (60, 1002)):
            with appended(run) as metrics:
                metrics.step(step, 3, 0.5, 0.002)
            os.utime(run / "metrics.jsonl", (written, written))
            now = only(runs)
        assert now.listed.images_per_second == pytest.approx(5 * BATCH)
        assert now.listed.rate == 0.002
        assert now.seconds_left == pytest.approx(7 * 12.5)
    assert only(runs).seconds_left is None


# ---------------------------------------------------------------- the folder


def test_runs_come_go_and_are_damaged(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watched_runs, "_SECONDS_BETWEEN_SEARCHES", 0.0)
    monkeypatch.setattr(watched_runs, "_SHARE_OF_SEARCHES", 1e9)
    runs = WatchedRuns(run.parent)
    identity = only(runs).identity
    other = run.parent / "deeper" / "other"
    write_record(other, started="2026-02-03T00:00:00+00:00")
    look = runs.look()
    assert [each.listed.run for each in look.runs] == [other, run]
    assert look.runs[1].identity == identity
    (other / "run.json").write_text('{"network": ')
    look = runs.look()
    assert [each.listed.run for each in look.runs] == [run]
    assert "other/run.json is damaged" in look.damaged[0]
    (other / "run.json").write_bytes(b" " * ((4 << 20) + 1))
    assert "has more than 4,194,304 bytes" in runs.look().damaged[0]
    shutil.rmtree(run)
    assert runs.look().runs == ()
    assert runs.curves(identity) is None
    shutil.rmtree(run.parent)
    assert runs.look().runs == ()


def test_a_run_that_disappears_between_two_searches_is_left_out(run: Path) -> None:
    runs = WatchedRuns(run.parent)
    identity = only(runs).identity
    shutil.rmtree(run)
    assert runs.look().runs == ()
    curves = runs.curves(identity)
    assert curves is None or len(curves.epochs) == 2


def test_more_runs_or_files_than_a_page_can_show_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(5):
        write_record(tmp_path / f"run-{number}", seed=number)
        os.utime(tmp_path / f"run-{number}" / "run.json", (number, number))
    monkeypatch.setattr(watched_runs, "MOST_RUNS", 3)
    look = WatchedRuns(tmp_path).look()
    assert sorted(each.listed.seed for each in look.runs) == [2, 3, 4]
    assert (look.left_out, look.is_complete) == (2, True)
    monkeypatch.setattr(watched_runs, "_MOST_ENTRIES", 7)
    look = WatchedRuns(tmp_path).look()
    assert (len(look.runs), look.is_complete) == (2, False)


def test_links_are_not_followed(run: Path) -> None:
    (run / "again").symlink_to(run.parent)
    assert len(WatchedRuns(run.parent).look().runs) == 1


def test_curves_have_steps_epochs_and_notes(run: Path) -> None:
    with appended(run) as metrics:
        metrics.note(40, 2, "rate 0.001 from now on")
    runs = WatchedRuns(run.parent)
    curves = runs.curves(only(runs).identity)
    assert curves is not None
    assert [point.step for point in curves.steps] == list(range(1, 41))
    assert [each["epoch"] for each in curves.epochs] == [1, 2]
    assert (curves.best_epoch, curves.steps_per_epoch, curves.all_steps) == (2, STEPS_PER_EPOCH, True)
    assert curves.notes == ((2, 40, "rate 0.001 from now on"),)
    assert runs.curves("0" * 16) is None
