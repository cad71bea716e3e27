"""Trainings on several ranks: the same results as in one process, and whole checkpoints whatever happens."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import redirect_stdout, suppress
from functools import cache
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
import torch.distributed as dist

from alexc.compiler.files.pytorch import write_pytorch
from alexc.compiler.pipeline import check_text
from alexc.runtime.errors import UserError
from alexc.runtime.network_file import load_network_file
from alexc.runtime.parallel.mesh import make_mesh
from alexc.runtime.parallel.rank import Rank, ReportedElsewhere
from alexc.runtime.runs.checkpoint import load_checkpoint
from alexc.runtime.training.checks import check_options
from alexc.runtime.training.options import TrainOptions
from tests.support import tiny_training as tiny
from tests.support.commands import Command
from tests.support.ranks import run_ranks
from tests.training.test_train_options import needs_compiler

pytestmark = pytest.mark.slow

# 26 images in batches of 8: the last batch has 2 images, fewer than the 4 devices.
SPEC = """
network Tiny {
  input  3x16x16
  towers 2

  conv1: conv 8 kernel=5                -> relu -> lrn 5 k=2 alpha=1e-3 beta=0.75 norm=sum over=all -> maxpool 2
  conv2: conv 8 kernel=3 reads=tower    -> relu
  fc3:   linear 16 reads=all            -> relu -> dropout 0.5 scale=test
  fc4:   linear 4 reads=all weight_rate=2 -> softmax
}

placement towers {
  mesh  tower=2
  split channels by tower
}

placement copies {
  mesh  copy=2
  split images by copy
}

placement pod {
  mesh  copy=2 tower=2
  split images by copy
  split channels by tower
  keep fc4 on tower 1
}

placement trick {
  mesh  gpu=4
  split images by gpu in conv1..conv2
  split channels by gpu in fc3..fc4
}

train {
  prepare   resize 24 -> center_crop 20 -> subtract mean_image
  augment   random_crop 16 -> mirror -> pca_color 0.1 by=eigenvalue
  test      ten_crop 16
  loss      cross_entropy
  optimizer sgd lr=0.01 momentum=0.9 weight_decay=0.0005
  schedule  plateau of=val_loss divide=2 times=3 patience=1 least=10
  batch     8
  epochs    3
}
"""
RECIPE = SPEC[SPEC.index("train {") :]
# All that changes or follows the weights, beside the optimiser.
FULL = """
  gradients clip_norm 0.5
  average   ema decay=0.8
  stop      stalled of=val_loss patience=50
  batch     8
"""
PLACEMENTS = ("towers", "copies", "pod", "trick")
STEPS = 12


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a store, the compiled files, and `whole`, a run in one process."""
    home = tmp_path_factory.mktemp("ranks")
    tiny.make_store(home)
    checked = check_text(SPEC, "tiny.net")
    assert checked.graph is not None, checked.diagnostics
    (home / "one.py").write_text(write_pytorch(checked.graph, "tiny.net"))
    for name in PLACEMENTS:
        (home / f"{name}.py").write_text(write_pytorch(checked.graph, "tiny.net", checked.placed[name]))
    full = check_text(SPEC.replace("  batch     8\n", FULL), "tiny.net")
    assert full.graph is not None, full.diagnostics
    (home / "one_full.py").write_text(write_pytorch(full.graph, "tiny.net"))
    (home / "pod_full.py").write_text(write_pytorch(full.graph, "tiny.net", full.placed["pod"]))
    train(home, "one", "whole")
    return home


def train(home: Path, network: str, run: str, steps: int | None = None, **changes: Any) -> Path:  # noqa: ANN401
    """Train in this process, or on as many ranks as the placement has devices; these stay alive for later trainings."""
    file = home / f"{network}.py"
    placement = load_network_file(file).placement
    if placement is None:
        tiny.run_to(tiny.options(file, home / "store", home / run, **changes), steps)
    else:
        run_ranks(placement.devices, train_as_rank, file, home / "store", home / run, steps, changes)
    return home / run


def train_as_rank(file: Path, store: Path, run: Path, steps: int | None, changes: dict[str, Any]) -> None:
    placement = load_network_file(file).placement
    assert placement is not None
    rank = Rank(make_mesh(placement.mesh, "cpu"), placement)
    with redirect_stdout(StringIO()):
        tiny.run_to(tiny.options(file, store, run, **changes), steps, rank)


@cache
def trained(home: Path, network: str) -> Path:
    """The run of an uninterrupted training; each network is trained once."""
    return train(home, network, f"all-{network}")


def start(home: Path, network: str, run: str, *more: object) -> Command:
    arguments = [f"{network}.py", "--data", "store", "--out", run, "--device", "cpu", *more]
    return Command("train", *arguments, cwd=home)


def finish(process: Command, code: int = 0) -> tuple[str, str]:
    """Wait for the end; returns standard output and standard error, which hold no traceback and no warning."""
    printed, errors = process.communicate(timeout=120)
    assert process.returncode == code, printed + errors
    assert "Traceback" not in errors
    assert "Warning" not in errors
    return printed, errors


def assert_alike(one: Path, other: Path) -> None:
    """The two runs differ only by the rounding of sums in another order."""
    for here, there in zip(tiny.metrics(one), tiny.metrics(other), strict=True):
        for name, value in there.items():
            expected = pytest.approx(value, rel=1e-4) if isinstance(value, float) else value
            assert here[name] == expected, (name, here, there)
    assert_alike_at(one, other, "last.pt", "best.pt")


def assert_alike_at(one: Path, other: Path, *checkpoints: str) -> None:
    for name in checkpoints:
        a, b = tiny.checkpoint(one / name), tiny.checkpoint(other / name)
        assert a.keys() == b.keys()
        assert list(a["weights"]) == list(b["weights"])
        for key, value in a["weights"].items():
            torch.testing.assert_close(value, b["weights"][key], rtol=1e-4, atol=1e-5)
        for key, value in a.get("average", {}).items():
            torch.testing.assert_close(value, b["average"][key], rtol=1e-4, atol=1e-5)
        for kind, tensors in a.get("optimizer", {}).items():
            assert tensors.keys() == b["optimizer"][kind].keys()
            for key, value in tensors.items():
                torch.testing.assert_close(value, b["optimizer"][kind][key], rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("placement", PLACEMENTS)
def test_it_trains_as_one_process_does(home: Path, placement: str) -> None:
    assert_alike(trained(home, placement), home / "whole")


def test_alexc_train_starts_the_ranks_which_train_together(home: Path) -> None:
    printed, _ = finish(start(home, "copies", "started"))
    tiny.assert_same_run(home / "started", trained(home, "copies"))
    assert "torchrun --nnodes 2 --nproc-per-node 1 " in printed
    assert re.search(r"^mesh +copy=2: 2 ranks$", printed, re.MULTILINE)
    assert printed.count("\nnetwork ") == 1, "only one rank prints"
    record = json.loads((home / "started" / "run.json").read_text())
    assert record["commands"][0]["mesh"] == {"copy": 2}


def test_with_clipping_average_and_frozen_layers_it_trains_as_one_process_does(home: Path) -> None:
    train(home, "one_full", "whole-full", freeze=("conv1",))
    train(home, "pod_full", "pod-full", freeze=("conv1",))
    assert_alike(home / "pod-full", home / "whole-full")
    train(home, "pod_full", "turns", 3, freeze=("conv1",))
    train(home, "one_full", "turns", 7, resume=True)
    train(home, "pod_full", "turns", resume=True)
    assert_alike(home / "turns", home / "whole-full")
    last, best = (tiny.checkpoint(home / "pod-full" / name) for name in ("last.pt", "best.pt"))
    begun = load_network_file(home / "one_full.py").build(0).state_dict()
    assert torch.equal(last["weights"]["conv1.weight"], begun["conv1.weight"])
    assert not torch.equal(last["average"]["fc3.weight"], last["weights"]["fc3.weight"])
    assert best["weights"].keys() == last["average"].keys()


@needs_compiler
def test_a_compiled_placement_trains_as_one_process_does(home: Path) -> None:
    """A small network, because a compiler takes seconds for each kind of layer."""
    start, end = SPEC.index("  conv1:"), SPEC.index("placement towers")
    small = "  conv1: conv 4 kernel=5 stride=4 -> relu\n  fc2: linear 4 reads=all -> softmax\n}\n"
    checked = check_text(SPEC[:start] + small + SPEC[end : SPEC.index("placement copies")] + RECIPE, "small.net")
    assert checked.graph is not None, checked.diagnostics
    (home / "one_small.py").write_text(write_pytorch(checked.graph, "small.net"))
    (home / "towers_small.py").write_text(write_pytorch(checked.graph, "small.net", checked.placed["towers"]))
    train(home, "one_small", "two-steps", 2)
    changes = {"compile": True}
    run_ranks(2, train_as_rank, home / "towers_small.py", home / "store", home / "compiled", 2, changes, timeout=900)
    assert json.loads((home / "compiled" / "run.json").read_text())["commands"][0]["compile"]
    assert_alike_at(home / "compiled", home / "two-steps", "last.pt")


def test_compiling_a_placement_for_a_gpu_is_refused(home: Path) -> None:
    one, rank = load_network_file(home / "one.py"), SimpleNamespace(placement=object())
    options, device = TrainOptions(network=home / "towers.py", compile=True), torch.device("cuda", 1)
    settings: Any = SimpleNamespace(freeze=(), recipe=one.recipe)
    with pytest.raises(UserError, match="--compile compiles a placement for the CPU only, not for cuda:1: leave it"):
        check_options(options, settings, one.build(0), cast("Rank", rank), device)


def test_uneven_micro_batches_train_as_the_whole_batch_in_one_process(home: Path) -> None:
    train(home, "one", "whole-parts", accumulate=3)  # 8 images make parts of 3, 3 and 2
    train(home, "pod", "pod-parts", accumulate=3)
    train(home, "trick", "trick-parts", 6, accumulate=3)
    train(home, "trick", "trick-parts", resume=True)
    for run in ("whole-parts", "pod-parts", "trick-parts"):
        assert_alike(home / run, home / "whole")  # dropout has the masks of the whole batch


def test_a_stopped_and_resumed_training_ends_with_the_same_bits(home: Path) -> None:
    train(home, "copies", "stopped", 5)
    assert load_checkpoint(home / "stopped" / "last.pt")["state"]["step"] == 5
    train(home, "copies", "stopped", resume=True)
    tiny.assert_same_run(home / "stopped", trained(home, "copies"))


def test_a_run_can_be_resumed_on_other_meshes_and_in_one_process(home: Path) -> None:
    train(home, "towers", "wandering", 3)
    train(home, "pod", "wandering", 6, resume=True)
    train(home, "one", "wandering", 8, resume=True)
    train(home, "trick", "wandering", resume=True)
    assert_alike(home / "wandering", home / "whole")


def test_adam_is_resumed_on_another_mesh(home: Path) -> None:
    """Its counts of steps are whole on every rank, those of the layer that one device keeps as well."""
    checked = check_text(SPEC.replace("sgd lr=0.01 momentum=0.9", "adamw lr=0.001 eps=0.001"), "tiny.net")
    assert checked.graph is not None, checked.diagnostics
    (home / "one_adam.py").write_text(write_pytorch(checked.graph, "tiny.net"))
    (home / "pod_adam.py").write_text(write_pytorch(checked.graph, "tiny.net", checked.placed["pod"]))
    train(home, "one_adam", "whole-adam")
    train(home, "pod_adam", "adam", 5)
    train(home, "one_adam", "adam", 7, resume=True)
    train(home, "pod_adam", "adam", resume=True)
    assert_alike(home / "adam", home / "whole-adam")
    assert {float(step) for step in tiny.checkpoint(home / "adam" / "last.pt")["optimizer"]["step"].values()} == {STEPS}


def test_one_device_evaluates_and_predicts(home: Path) -> None:
    run = trained(home, "pod")
    made, _ = finish(Command("evaluate", run, "--format", "json", cwd=home))
    whole, _ = finish(Command("evaluate", "whole", "--format", "json", cwd=home))
    assert json.loads(made)["views"]["centre"]["top1_error"] == json.loads(whole)["views"]["centre"]["top1_error"]
    image = next((home / "images" / "val").rglob("*.png"))
    guesses, _ = finish(Command("predict", run, image, cwd=home))
    assert guesses.count("%") == 4


FROM_PYTHON = """
import sys
from pathlib import Path
from alexc.runtime.training.command import run_training
from alexc.runtime.training.options import TrainOptions

sys.argv = ["notebook", "--of", "another program"]
sys.exit(run_training(TrainOptions(
    network=Path("copies.py"), data=Path("store"), out=Path("from python"), device="cpu", steps=2, freeze=("conv1",)
)))
"""


def test_started_from_python_the_ranks_get_the_options_that_were_given(home: Path) -> None:
    """The launcher does not read the command line of its own process."""
    finish(Command(cwd=home, first=FROM_PYTHON))
    assert load_checkpoint(home / "from python" / "last.pt")["state"]["step"] == 2
    record = json.loads((home / "from python" / "run.json").read_text())
    assert record["freeze"] == ["conv1"]
    assert record["commands"][0]["mesh"] == {"copy": 2}


def ranks_of(process: Command, count: int) -> list[int]:
    """The process ids of the ranks, in order: each is named after its number; its parent is a child of `Command`."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        found: dict[int, int] = {}
        for pid in children([process.pid, *children([process.pid])]):
            with suppress(OSError):
                if rank := re.fullmatch(r"rank (\d+)\n", (Path("/proc") / str(pid) / "comm").read_text()):
                    found[int(rank[1])] = pid
        if len(found) == count:
            return [found[rank] for rank in range(count)]
        time.sleep(0.05)
    raise AssertionError("the ranks did not start")


def children(parents: list[int]) -> list[int]:
    """The process ids of the children of some processes."""
    found = []
    for entry in Path("/proc").iterdir():
        with suppress(OSError, ValueError, IndexError):
            if int((entry / "stat").read_text().rpartition(")")[2].split()[1]) in parents:
                found.append(int(entry.name))
    return found


def wait_for_steps(run: Path, process: Command, count: int) -> None:
    deadline = time.monotonic() + 60
    while not (run / "metrics.jsonl").exists() or (run / "metrics.jsonl").read_bytes().count(b"\n") < count:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)


def alive(pid: int) -> bool:
    try:
        return (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def go_on(home: Path, network: str, run: str, printed: str, steps: int) -> None:
    """Resume as the message says, up to a step."""
    assert tiny.command_to_go_on(printed) == ["train", f"{network}.py", "--resume", run, "--device", "cpu"]
    train(home, network, run, steps, resume=True)
    assert load_checkpoint(home / run / "last.pt")["state"]["step"] == steps


@pytest.mark.parametrize("victim", [0, 1])
def test_a_killed_rank_ends_all_with_one_message_and_whole_checkpoints(home: Path, victim: int) -> None:
    run = f"killed-{victim}"
    process = start(home, "copies", run, "--epochs", 400, "--save-every", 3)
    pids = ranks_of(process, 2)
    wait_for_steps(home / run, process, 10)
    os.kill(pids[victim], signal.SIGKILL)
    _, errors = finish(process, 1)
    assert errors.count("error:") == 1
    assert f"error: rank {victim} was killed by SIGKILL, and the others were stopped" in errors
    assert not any(map(alive, pids))
    before = load_checkpoint(home / run / "last.pt")["state"]["step"]
    go_on(home, "copies", run, errors, before + 2)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1])
def test_asked_to_stop_all_ranks_save_the_same_step(home: Path, number: signal.Signals) -> None:
    run = f"asked-{number.name}"
    process = start(home, "towers", run, "--epochs", 400)
    wait_for_steps(home / run, process, 10)
    process.send_signal(number)
    printed, _ = finish(process, 128 + number)
    found = re.search(rf"stopped by {number.name} after step (\d+); continue with", printed)
    assert found is not None, printed
    assert load_checkpoint(home / run / "last.pt")["state"]["step"] == int(found[1])
    go_on(home, "towers", run, printed, int(found[1]) + 1)


def test_one_rank_that_is_asked_to_stop_stops_all(home: Path) -> None:
    process = start(home, "towers", "one-asked", "--epochs", 400)
    pids = ranks_of(process, 2)
    wait_for_steps(home / "one-asked", process, 10)
    os.kill(pids[1], signal.SIGTERM)
    printed, _ = finish(process, 143)
    assert "stopped by SIGTERM after step" in printed


def test_a_rank_that_fails_says_why_and_ends_all(home: Path) -> None:
    text = (home / "towers.py").read_text()
    before = "        x = exchange.all_gather(x, self.tower, dim=1)"
    assert before in text
    raising = "        if self.tower.index == 1:\n            raise ValueError('this rank fails')\n"
    (home / "raising.py").write_text(text.replace(before, raising + before, 1))
    process = start(home, "raising", "raised")
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 70, errors
    assert errors.count("Traceback") == 1
    assert "ValueError: this rank fails" in errors
    assert "rank 1 has failed" in errors


def test_a_loss_that_is_not_finite_is_reported_by_rank_zero(home: Path) -> None:
    (home / "steep.py").write_text((home / "copies.py").read_text().replace("lr=0.01", "lr=1e30"))
    refused(home, "steep", "the training has stopped there")


def test_a_job_with_resume_auto_begins_a_run_and_resumes_it(home: Path) -> None:
    (home / "job").mkdir()
    for steps in (5, 12):
        arguments = ["train", "../copies.py", "--data", "../store", "--device", "cpu", "--resume", "auto"]
        finish(Command(*arguments, "--steps", steps, cwd=home / "job"))
    (run,) = (home / "job" / "runs").iterdir()
    tiny.assert_same_run(run, trained(home, "copies"))


def test_the_error_of_a_folder_in_use_is_printed_once(home: Path) -> None:
    (home / "occupied").mkdir()
    (home / "occupied" / "something").write_text("")
    _, errors = finish(start(home, "copies", "occupied"), 1)
    assert errors.count("error:") == 1
    assert "is not empty" in errors


@pytest.mark.parametrize(
    ("network", "options", "words"),
    [
        ("copies", ("--ranks", 3), "the mesh of copies.py, copy=2, has 2 devices"),
        ("one", ("--ranks", 2), "one.py is for one device; write a placement in the spec"),
        ("copies", ("--batch", 100), "a batch of 100 is larger than the training set of 26 images"),
    ],
)
def test_mistakes_are_told_once(home: Path, network: str, options: tuple[object, ...], words: str) -> None:
    _, errors = finish(start(home, network, "never", *options), 1)
    assert errors.count("error:") == 1
    assert words in errors
    assert not (home / "never").exists()


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"seed": 2**63}, "is too large"), ({"freeze": ("conv9",)}, "conv9")],
)
def test_mistakes_are_reported_by_rank_zero(home: Path, changes: dict[str, Any], words: str) -> None:
    refused(home, "copies", words, **changes)
    assert not (home / "refused").exists()


def refused(home: Path, network: str, words: str, **changes: Any) -> None:  # noqa: ANN401
    """The training ends with an error on all ranks, of which rank 0 alone reports it."""
    file = home / f"{network}.py"
    placement = load_network_file(file).placement
    assert placement is not None
    run_ranks(placement.devices, expect_refusal, file, home / "store", home / "refused", words, changes)
    shutil.rmtree(home / "refused", ignore_errors=True)


def expect_refusal(file: Path, store: Path, run: Path, words: str, changes: dict[str, Any]) -> None:
    with pytest.raises(UserError) as caught:
        train_as_rank(file, store, run, None, changes)
    if dist.get_rank() == 0:
        assert words in str(caught.value)
    else:
        assert isinstance(caught.value, ReportedElsewhere)


TORCHRUN = "torch.distributed.run"


def torchrun_arguments(ranks: int, run: str, *more: object) -> list[str]:
    arguments = ["--standalone", "--nproc-per-node", str(ranks), "-m", "alexc", "train", "copies.py"]
    return [*arguments, "--data", "store", "--out", run, "--device", "cpu", *map(str, more)]


def test_ranks_that_torchrun_starts_train_together(home: Path) -> None:
    """All are new processes of Python, as a user's are."""
    command = [sys.executable, "-m", TORCHRUN, *torchrun_arguments(2, "joined")]
    settings = os.environ | {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    result = subprocess.run(command, cwd=home, env=settings, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    assert_alike(home / "joined", home / "whole")
    assert result.stdout.count("\nnetwork ") + result.stdout.startswith("network ") == 1


def test_torchrun_with_a_wrong_number_of_ranks(home: Path) -> None:
    process = Command(*torchrun_arguments(3, "never"), cwd=home, program=TORCHRUN)
    _, errors = process.communicate(timeout=120)
    assert process.returncode != 0
    assert errors.count("error: 3 ranks were started, but the mesh of copies.py, copy=2, has 2 devices") == 1


@pytest.mark.parametrize(
    ("to", "number"),
    [("torchrun", signal.SIGTERM), ("torchrun", signal.SIGINT), ("a rank", signal.SIGTERM), ("a rank", signal.SIGUSR1)],
)
def test_asked_to_stop_under_torchrun_all_ranks_save_the_same_step(home: Path, to: str, number: signal.Signals) -> None:
    """torchrun passes on SIGTERM and SIGINT; SIGUSR1 is sent to a rank, as `scancel --signal USR1` does."""
    run = f"torchrun-{to[-1]}-{number.name}"
    process = Command(*torchrun_arguments(2, run, "--epochs", 2000), cwd=home, program=TORCHRUN)
    pids = ranks_of(process, 2)
    wait_for_steps(home / run, process, 10)
    os.kill(pids[1] if to == "a rank" else process.pid, number)
    printed, errors = process.communicate(timeout=120)
    assert process.returncode == 1  # torchrun always ends with 1 and prints the exit codes of the ranks
    assert to == "torchrun" or f"exitcode  : {128 + number} " in errors
    found = re.search(rf"stopped by {number.name} after step (\d+); continue with", printed)
    assert found is not None, printed + errors
    assert not any(map(alive, pids))
    assert load_checkpoint(home / run / "last.pt")["state"]["step"] == int(found[1])


def test_batch_normalisation_needs_even_batches(home: Path) -> None:
    spec = SPEC.replace(
        "conv2: conv 8 kernel=3 reads=tower    -> relu", "conv2: conv 8 kernel=3 reads=tower -> batchnorm"
    )
    checked = check_text(spec, "tiny.net")
    assert checked.graph is not None
    (home / "normal.py").write_text(write_pytorch(checked.graph, "tiny.net", checked.placed["trick"]))
    refused(home, "normal", "the last batch of an epoch, 2 images, cannot be shared evenly by 4 devices")
    words = "a batch of 8, cut into parts of 3, cannot be shared evenly by 4 devices"
    refused(home, "normal", words, accumulate=3)
