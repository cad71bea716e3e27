"""Trainings in separate processes that are killed and resumed: the result is that of an uninterrupted one."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from alexc.runtime.runs.checkpoint import load_checkpoint
from tests.support import tiny_training as tiny
from tests.support.commands import Command

pytestmark = pytest.mark.slow
EPOCHS, SAVE_EVERY = 30, 1
STEPS = EPOCHS * tiny.STEPS_PER_EPOCH
FULL = (  # every part that a checkpoint can have
    ("SGD(lr=0.02, momentum=0.9, weight_decay=0.0005),", "AdamW(lr=0.003), precision=BFloat16(),"),
    ("    batch=8,", '    average=MovingAverage(0.9), stop=Stalled(of="val_loss", patience=1000), batch=8,'),
)
STEADY = (("times=3, patience=1", "times=3, patience=100"),)  # so that the schedule does not end it early


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with tiny.py, a store, and `whole`, an uninterrupted run of `EPOCHS` epochs."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    home = tmp_path_factory.mktemp("interrupted")
    tiny.make_store(home)
    network = tiny.write_network(home, *STEADY)
    tiny.run_to(tiny.options(network, home / "store", home / "whole", epochs=EPOCHS))
    full = tiny.write_network(home, *STEADY, *FULL, name="full.py")
    tiny.run_to(tiny.options(full, home / "store", home / "whole-full", epochs=EPOCHS))
    torch.set_num_threads(before)
    return home


def command(home: Path, run: Path, *more: object, network: str = "tiny.py") -> Command:
    return Command(
        "train", home / network, "--data", home / "store", "--out", run, "--epochs", EPOCHS, "--device", "cpu",
        "--save-every", SAVE_EVERY, *more, cwd=home,
    )  # fmt: skip


def lines(run: Path) -> int:
    try:
        return (run / "metrics.jsonl").read_bytes().count(b"\n")
    except FileNotFoundError:
        return 0


def wait_for(process: Command, run: Path, count: int) -> None:
    """Wait until the run has written `count` lines."""
    deadline = time.monotonic() + 60
    while lines(run) < count:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.002)


@pytest.mark.parametrize("sweep", range(4))
def test_killed_at_random_moments_it_ends_as_if_it_had_not_been(home: Path, tmp_path: Path, sweep: int) -> None:
    """Forty kills in all; a checkpoint is saved after every step, so some kills hit a save."""
    network, whole = ("tiny.py", "whole") if sweep % 2 else ("full.py", "whole-full")
    draw = random.Random(f"{os.environ.get('ALEXC_KILL_SEED', '1')}-{sweep}")
    run = tmp_path / "run"
    kills = 0
    while kills < 10:
        before = lines(run)
        process = command(home, run, "--resume", "auto", network=network)
        wait_for(process, run, min(before + draw.randrange(2, 12), STEPS))
        time.sleep(draw.uniform(0, 0.02))
        process.kill()
        assert process.poll() == -signal.SIGKILL, "the training ended before it was killed"
        kills += 1
    process = command(home, run, "--resume", "auto", network=network)
    printed, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    assert f"after step {STEPS}" in printed
    tiny.assert_same_run(run, home / whole)


# Kills its own process at the n-th call of the functions that a save uses: open, sync, rename, torch.save.
KILLED_IN_A_SAVE = """
import os, pathlib, signal, torch

armed = False

def dying(function):
    def call(*arguments, **options):
        global left
        if armed:
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return function(*arguments, **options)
    return call

os.fsync = dying(os.fsync)
pathlib.Path.replace = dying(pathlib.Path.replace)
pathlib.Path.open = dying(pathlib.Path.open)
torch.save = dying(torch.save)

from alexc.runtime.training.trainer import Trainer
finish = Trainer._finish_epoch

def armed_finish(running, *rest):
    global armed
    armed = running.state.epoch == 0  # the first epoch is always the best so far
    finish(running, *rest)

Trainer._finish_epoch = armed_finish
"""


@pytest.mark.parametrize("call", [1, 3, 4, 7, 9, 11, 12])
def test_killed_inside_the_saves_at_an_epochs_end(home: Path, tmp_path: Path, call: int) -> None:
    run = tmp_path / "run"
    process = Command(
        "train", home / "tiny.py", "--data", home / "store", "--out", run, "--epochs", 3, "--device", "cpu",
        cwd=home, first=f"left = {call}\n{KILLED_IN_A_SAVE}",
    )  # fmt: skip
    _, errors = process.communicate(timeout=120)
    assert process.returncode == -signal.SIGKILL, errors
    assert (run / "best.pt").exists() is (call > 3)  # the fourth call renames it into place
    torch.set_num_threads(1)
    tiny.run_to(tiny.options(home / "tiny.py", home / "store", run, resume=True, epochs=3))
    tiny.run_to(tiny.options(home / "tiny.py", home / "store", tmp_path / "whole", epochs=3))
    tiny.assert_same_run(run, tmp_path / "whole")


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGUSR1, 138)],
    ids=str,
)
def test_a_signal_saves_and_tells_how_to_go_on(home: Path, tmp_path: Path, number: signal.Signals, code: int) -> None:
    run = tmp_path / "run"
    process = Command(
        "train",
        home / "tiny.py",
        "--data",
        home / "store",
        "--out",
        run,
        "--epochs",
        EPOCHS,
        "--device",
        "cpu",
        cwd=home,
    )
    wait_for(process, run, 20)
    process.send_signal(number)
    printed, errors = process.communicate(timeout=60)
    assert process.returncode == code, errors
    step = tiny.checkpoint(run / "last.pt")["state"]["step"]
    assert 15 <= step < STEPS
    assert f"stopped by {number.name} after step {step}; continue with: alexc train" in printed
    assert "Traceback" not in errors
    assert "error" not in errors
    assert (run / "curves.png").stat().st_size > 10_000
    rest = Command(*tiny.command_to_go_on(printed), cwd=home)
    _, errors = rest.communicate(timeout=120)
    assert rest.returncode == 0, errors
    tiny.assert_same_run(run, home / "whole")


def test_a_second_signal_ends_at_once(home: Path, tmp_path: Path) -> None:
    stuck = tiny.write_network(
        tmp_path,
        (
            "        x = nn.",
            "        import time\n        if self.training:\n            time.sleep(30)\n        x = nn.",
        ),
    )
    process = Command("train", stuck, "--data", home / "store", "--out", tmp_path / "run", "--device", "cpu", cwd=home)
    deadline = time.monotonic() + 60
    while not (tmp_path / "run" / "run.json").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.5)
    started = time.monotonic()
    process.send_signal(signal.SIGTERM)
    time.sleep(1.0)
    assert process.poll() is None  # the step has not ended yet
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)
    assert process.returncode == -signal.SIGTERM
    assert time.monotonic() - started < 15
    assert load_checkpoint(tmp_path / "run" / "last.pt")["state"]["step"] == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("train", "none.py"), "none.py does not exist"),
        (("train", "tiny.py", "--data", "store", "--device", "warp"), "expected cpu, cuda, cuda:1 or mps"),
        (("train", "tiny.py", "--data", "store", "--device", "cuda:99"), "CUDA devices here; try cpu"),
        (("train", "tiny.py", "--data", "nowhere"), "nowhere"),
        (("train", "tiny.py", "--data", "store", "--seed", str(2**63)), "is too large: at most 9223372036854775807"),
        (("evaluate", "store"), "store is not a run"),
        (("predict", "whole", "tiny.py", "none.png"), "tiny.py cannot be used: not an image"),
    ],
)
def test_mistakes_are_errors_without_a_traceback(home: Path, arguments: tuple[str, ...], message: str) -> None:
    process = Command(*arguments, cwd=home)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1, errors
    assert message in errors
    assert any(line.startswith("error: ") for line in errors.splitlines())
    assert "Traceback" not in errors
    assert "making the store" not in errors


def test_the_three_commands_of_a_newcomer(home: Path, tmp_path: Path) -> None:
    """In processes of their own from the beginning, as a user starts them."""

    def alexc(*arguments: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "alexc", *map(str, arguments)]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)

    trained = alexc("train", home / "tiny.py", "--data", home / "store", "--steps", 5)
    assert trained.returncode == 0, trained.stderr
    assert "stopped as --steps says after step 5" in trained.stdout
    (run,) = (tmp_path / "runs").iterdir()
    for name in ("best.pt", "last.pt", "metrics.jsonl", "curves.png"):
        assert str(Path("runs") / run.name / name) in trained.stdout
    evaluated = alexc("evaluate", run, "--format", "json")
    assert evaluated.returncode == 0, evaluated.stderr
    assert '"10 crops"' in evaluated.stdout
    image = next((home / "images" / "val").glob("*/*.png"))
    predicted = alexc("predict", run, image, "none.png", image)
    assert predicted.returncode == 1
    assert predicted.stdout.count("%") == 8
    assert "none.png cannot be used" in predicted.stderr
