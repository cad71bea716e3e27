"""The training loop: compared with a separate loop, resumed anywhere, refused if something does not fit."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from alexc.runtime.data.dataset_statistics import statistics_of
from alexc.runtime.data.random_streams import epoch_order
from alexc.runtime.data.store import open_store
from alexc.runtime.data.views import Renderer, TrainingViews
from alexc.runtime.errors import UserError
from alexc.runtime.folder_lock import folder_lock
from alexc.runtime.layers.dropout import fix_masks
from alexc.runtime.network_file import load_network_file
from alexc.runtime.training.finite import all_finite
from alexc.runtime.training.options import TrainOptions
from alexc.runtime.training.set_up import set_up
from alexc.runtime.training.trainer import Stopped
from tests.support import tiny_training as tiny
from tests.support.drawn_views import views_of

STEPS = tiny.STEPS_PER_EPOCH * tiny.EPOCHS


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with tiny.py, a store, and `whole`, an uninterrupted run."""
    home = tmp_path_factory.mktemp("training")
    tiny.make_store(home)
    tiny.write_network(home)
    tiny.run_to(tiny.options(home / "tiny.py", home / "store", home / "whole"))
    return home


def asked(home: Path, run: Path, **changes: Any) -> TrainOptions:  # noqa: ANN401
    return tiny.options(home / "tiny.py", home / "store", run, **changes)


@pytest.mark.slow
def test_equals_a_separate_loop_in_plain_tensor_arithmetic(home: Path, tmp_path: Path) -> None:
    """The rule of section 5 on the mean loss of each batch."""
    path = tiny.write_network(tmp_path, ("nn.Dropout(0.2)", "nn.Identity()"))
    run = tiny.run_to(tiny.options(path, home / "store", tmp_path / "run", seed=5), steps=tiny.STEPS_PER_EPOCH * 2)
    file, store = load_network_file(path), open_store(home / "store")
    network = file.build(5).train()
    views = TrainingViews(file.recipe.augment, statistics_of(store), tiny.SIZE, 5)
    renderer = Renderer(tiny.SIZE, store.mean_image)
    velocity = {name: torch.zeros_like(weight) for name, weight in network.named_parameters()}
    losses: list[float] = []
    for epoch in range(2):
        order = epoch_order(5, epoch, len(store.train)).tolist()
        for start in range(0, len(order), tiny.BATCH):
            chosen = order[start : start + tiny.BATCH]
            images = np.empty((len(chosen), tiny.SIZE, tiny.SIZE, 3), np.float32)
            for row, index in enumerate(chosen):
                renderer.render(store.train.image(index), views_of(views, epoch, index + 1)[index], images[row])
            fix_masks(network, seed=5, step=len(losses))
            logits = network(torch.from_numpy(images).permute(0, 3, 1, 2).contiguous())
            wanted = torch.from_numpy(store.train.labels[chosen])
            loss = -F.log_softmax(logits, 1)[torch.arange(len(chosen)), wanted]
            network.zero_grad()
            loss.mean().backward()  # type: ignore[no-untyped-call]
            losses.append(loss.mean().item())
            with torch.no_grad():
                for name, weight in network.named_parameters():
                    assert weight.grad is not None
                    velocity[name] = 0.9 * velocity[name] - 0.0005 * 0.02 * weight - 0.02 * weight.grad
                    weight.add_(velocity[name])
    recorded = [record["loss"] for record in tiny.metrics(run.path) if record["kind"] == "step"]
    assert recorded == pytest.approx(losses, rel=1e-4)
    saved = tiny.checkpoint(run.last)["weights"]
    for name, value in network.state_dict().items():
        torch.testing.assert_close(saved[name], value, rtol=1e-3, atol=1e-5)
    first = next(record for record in tiny.metrics(run.path) if record["kind"] == "epoch")
    sizes = [8, 8, 8, 2]
    assert first["train_loss"] == pytest.approx(np.average(losses[:4], weights=sizes), rel=1e-4)


@pytest.mark.posix
def test_the_files_of_a_run(home: Path) -> None:
    run = home / "whole"
    names = {path.name for path in run.iterdir()}
    written = {"network.py", "data.npz", "run.json", "metrics.jsonl", "tensorboard"}
    assert names == written | {"last.pt", "previous.pt", "best.pt", "lock"}
    assert (run / "network.py").read_bytes() == (home / "tiny.py").read_bytes()
    record = json.loads((run / "run.json").read_text())
    assert (record["network"], record["seed"], record["batch"], record["epochs"]) == ("Tiny", 0, 8, 3)
    assert record["store"]["identity"] == open_store(home / "store").identity
    assert torch.__version__.startswith(record["commands"][0]["versions"]["torch"])
    records = tiny.metrics(run)
    assert [record["step"] for record in records if record["kind"] == "step"] == list(range(1, STEPS + 1))
    epochs = [record for record in records if record["kind"] == "epoch"]
    assert [(record["epoch"], record["step"]) for record in epochs] == [(1, 4), (2, 8), (3, 12)]
    assert [record["rate"] for record in epochs] == [0.02, 0.02, 0.01]
    best = min(epochs, key=lambda record: record["val_error"])
    assert tiny.checkpoint(run / "best.pt")["epoch"] == best["epoch"]
    state = tiny.checkpoint(run / "last.pt")["state"]
    assert (state["step"], state["epoch"], state["position"]) == (STEPS, 3, 0)
    assert state["best_error"] == best["val_error"]
    assert all(math.isfinite(value) for record in epochs for key, value in record.items() if key != "kind")


@pytest.mark.parametrize("cut", [0, 1, 3, 4, 5, 11])
def test_resumes_bit_for_bit_anywhere(home: Path, tmp_path: Path, cut: int) -> None:
    run = tmp_path / "run"
    tiny.run_to(asked(home, run), steps=cut)
    assert tiny.checkpoint(run / "last.pt")["state"]["step"] == cut
    tiny.run_to(asked(home, run, resume=True, data=None, save_every=2))
    tiny.assert_same_run(run, home / "whole")


def test_resumes_bit_for_bit_from_the_middle_of_a_validation(home: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    asks = 0

    def interrupted() -> bool:
        nonlocal asks
        asks += 1
        return asks > tiny.STEPS_PER_EPOCH + 1  # four steps and a batch of validation

    with set_up(asked(home, run)) as trainer, pytest.raises(Stopped):
        trainer.train(interrupted)
    state = tiny.checkpoint(run / "last.pt")["state"]
    assert (state["epoch"], state["position"]) == (0, tiny.STEPS_PER_EPOCH)
    tiny.run_to(asked(home, run, resume=True))
    tiny.assert_same_run(run, home / "whole")


def test_resumes_with_other_workers_and_many_saves(home: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    tiny.run_to(asked(home, run, workers=3, save_every=1), steps=2)
    for steps in (3, 7, 8, 9, None):
        tiny.run_to(asked(home, run, resume=True, workers=2), steps=steps)
    tiny.assert_same_run(run, home / "whole")
    assert len(json.loads((run / "run.json").read_text())["commands"]) == 6


def test_a_finished_run_has_nothing_left_to_do(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(home / "whole", tmp_path / "run")
    step, epochs = (tiny.checkpoint(home / "whole" / "last.pt")["state"][name] for name in ("step", "epoch"))
    tiny.run_to(asked(home, tmp_path / "run", resume=True))
    said = f"nothing is left to do: this training ended after step {step}, in epoch {epochs}"
    assert said in capsys.readouterr().out.splitlines()
    tiny.assert_same_run(tmp_path / "run", home / "whole")


def test_more_epochs_can_be_asked_for(home: Path, tmp_path: Path) -> None:
    longer = tmp_path / "longer"
    shutil.copytree(home / "whole", tmp_path / "run")
    tiny.run_to(asked(home, tmp_path / "run", resume=True, epochs=4))
    tiny.run_to(asked(home, longer, epochs=4))
    tiny.assert_same_run(tmp_path / "run", longer)


def test_another_seed_is_another_run(home: Path, tmp_path: Path) -> None:
    run = tiny.run_to(asked(home, tmp_path / "run", seed=1), steps=4)
    one, other = tiny.checkpoint(run.last)["weights"], tiny.checkpoint(home / "whole" / "last.pt")["weights"]
    assert not torch.equal(one["conv.weight"], other["conv.weight"])


def test_lines_after_the_checkpoint_are_cut_off(home: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    tiny.run_to(asked(home, run), steps=6)
    with (run / "metrics.jsonl").open("a") as file:
        file.write('{"kind": "step", "step": 7, "epoch": 2, "loss": 9.0, "rate": 1.0}\n{"kind": "st')
    tiny.run_to(asked(home, run, resume=True))
    tiny.assert_same_run(run, home / "whole")


@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "gone"])
def test_falls_back_loudly_to_the_checkpoint_before(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], damage: str
) -> None:
    run = tmp_path / "run"
    tiny.run_to(asked(home, run, save_every=3), steps=7)
    last = run / "last.pt"
    content = bytearray(last.read_bytes())
    match damage:
        case "cut":
            last.write_bytes(content[: len(content) // 2])
        case "flip":
            content[1234] ^= 4
            last.write_bytes(content)
        case "empty":
            last.write_bytes(b"")
        case "gone":
            last.unlink()
    capsys.readouterr()
    tiny.run_to(asked(home, run, resume=True))
    printed = capsys.readouterr()
    assert f"last.pt is {'missing' if damage == 'gone' else 'damaged'}" in printed.err
    assert "continuing from previous.pt" in printed.err
    assert (run / "last.damaged").exists() is (damage != "gone")
    assert "continuing from step 6, in epoch 2" in printed.out
    tiny.assert_same_run(run, home / "whole")


def test_a_save_cut_between_its_two_renames_is_found(home: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    tiny.run_to(asked(home, run, save_every=3), steps=7)
    (run / "last.pt").rename(run / "next.pt")
    (run / "best.pt.partial").write_bytes(b"half")
    tiny.run_to(asked(home, run, resume=True))
    tiny.assert_same_run(run, home / "whole")


def test_without_a_whole_checkpoint_there_is_no_resuming(home: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    tiny.run_to(asked(home, run), steps=1)
    for name in ("last.pt", "previous.pt"):
        (run / name).write_bytes(b"x")
    with pytest.raises(UserError, match=r"has no intact checkpoint \(.*last\.pt is damaged.*previous\.pt is damaged"):
        tiny.run_to(asked(home, run, resume=True))


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (("nn.Conv2d(3, 6, 5)", "nn.Conv2d(3, 6, 3, padding=2, stride=1, dilation=2)"), r"conv\.weight is 6x3x5x5 in"),
        (
            ("self.fc = nn.Linear(216, 4)", "self.fc = nn.Linear(216, 5)"),
            r"fc\.weight is 4x216 in the checkpoint and",
        ),
        (
            ("lr=0.02", "lr=0.03"),
            r"the layers are the same, but the recipe or the code differ; continue",
        ),
    ],
)
def test_another_network_is_refused(home: Path, tmp_path: Path, edit: tuple[str, str], message: str) -> None:
    run = tmp_path / "run"
    shutil.copytree(home / "whole", run)
    changed = tiny.write_network(tmp_path, edit)
    if "dilation" in edit[1]:  # the same size of output, so that only the weights differ
        changed.write_text(changed.read_text().replace("nn.Linear(216, 4)", "nn.Linear(384, 4)"))
    with pytest.raises(UserError, match=message):
        tiny.run_to(tiny.options(changed, home / "store", run, resume=True))
    tiny.assert_same_run(run, home / "whole")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seed": 3}, r"--seed 3: .*run was begun with seed 0"),
        ({"batch": 4}, r"--batch 4: .*run was begun with batch 8"),
    ],
)
def test_another_seed_or_batch_is_refused(home: Path, tmp_path: Path, changes: dict[str, int], message: str) -> None:
    shutil.copytree(home / "whole", tmp_path / "run")
    with pytest.raises(UserError, match=message):
        tiny.run_to(asked(home, tmp_path / "run", resume=True, **changes))


@pytest.mark.slow
def test_other_data_is_refused(home: Path, tmp_path: Path) -> None:
    shutil.copytree(home / "whole", tmp_path / "run")
    other = tiny.make_store(tmp_path, seed=1)
    with pytest.raises(UserError, match="was trained on other data than it is given now"):
        tiny.run_to(asked(home, tmp_path / "run", resume=True, data=other))


def test_two_trainings_in_one_folder_are_refused(home: Path, tmp_path: Path) -> None:
    shutil.copytree(home / "whole", tmp_path / "run")
    with folder_lock(tmp_path / "run"), pytest.raises(UserError, match="in use by another process"):
        tiny.run_to(asked(home, tmp_path / "run", resume=True))


def test_folders_that_hold_something_are_left_alone(home: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"holds a run already: continue it with --resume"):
        tiny.run_to(asked(home, home / "whole"))
    (tmp_path / "network.py").write_text("mine")
    with pytest.raises(UserError, match="is not empty: expected a new or empty folder"):
        tiny.run_to(asked(home, tmp_path))
    assert (tmp_path / "network.py").read_text() == "mine"
    with pytest.raises(UserError, match="is a file: expected a folder"):
        tiny.run_to(asked(home, tmp_path / "network.py"))
    with pytest.raises(UserError, match="is not a run: expected a folder that `alexc train` made"):
        tiny.run_to(asked(home, tmp_path, resume=True))


def test_auto_resumes_the_newest_run_or_begins_one(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    auto = asked(home, tmp_path, resume="auto", out=None)
    first = tiny.run_to(auto, steps=1)
    assert "--resume auto: runs/ holds no run of Tiny; a new one begins" in capsys.readouterr().out
    second = tiny.run_to(asked(home, tmp_path, out=None), steps=1)
    other = tiny.write_network(tmp_path, ("class Tiny", "class Other"))
    tiny.run_to(tiny.options(other, home / "store", tmp_path, out=None), steps=1)
    assert first.path != second.path
    assert first.path.name.startswith("Tiny-")
    capsys.readouterr()
    assert tiny.run_to(auto, steps=2).path == second.path
    assert f"--resume auto: continuing with {second.path}" in capsys.readouterr().out


def test_auto_resumes_the_run_in_out_or_begins_one_there(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    for steps in (2, 5, None, None):  # like a job that is started again and again, even after the end
        tiny.run_to(asked(home, run, resume="auto"), steps=steps)
    printed = capsys.readouterr().out
    assert printed.count(f"--resume auto: {run} holds no run; a new one begins") == 1
    assert printed.count(f"--resume auto: continuing with {run}") == 3
    tiny.assert_same_run(run, home / "whole")


@pytest.mark.posix
def test_auto_begins_again_if_the_first_start_was_killed(home: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    tiny.run_to(asked(home, run), steps=0)
    (run / "run.json").rename(run / "run.json.123.tmp")
    with pytest.raises(UserError, match="is not empty"):
        tiny.run_to(asked(home, run))
    tiny.run_to(asked(home, run, resume="auto"))
    tiny.assert_same_run(run, home / "whole")
    (run / "run.json").unlink()  # a folder that holds more than a first start is left alone
    with pytest.raises(UserError, match="is not empty"):
        tiny.run_to(asked(home, run, resume="auto"))


def test_auto_starts_from_weights_once(home: Path, tmp_path: Path) -> None:
    for steps in (2, None):
        tiny.run_to(asked(home, tmp_path / "run", resume="auto", weights=home / "whole"), steps=steps)
    tiny.run_to(asked(home, tmp_path / "whole", weights=home / "whole"))
    tiny.assert_same_run(tmp_path / "run", tmp_path / "whole")


@pytest.mark.parametrize("name", ["last", "previous"])
def test_a_named_checkpoint_is_resumed(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    run = tmp_path / "run"
    tiny.run_to(asked(home, run, save_every=3), steps=7)  # last.pt of step 7, previous.pt of step 6
    shutil.copy(run / "last.pt", run / "next.pt")  # of a save that was killed
    tiny.run_to(asked(home, run, resume=run / f"{name}.pt", out=None), steps=0)
    step = {"last": 7, "previous": 6}[name]
    assert f"continuing from step {step}," in capsys.readouterr().out
    assert tiny.checkpoint(run / "last.pt")["state"]["step"] == step
    assert not (run / "next.pt").exists()
    tiny.run_to(asked(home, run, resume=True))
    tiny.assert_same_run(run, home / "whole")


def test_a_named_checkpoint_is_used_or_refused(home: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(home / "whole", run)
    (run / "last.pt").write_bytes((run / "last.pt").read_bytes()[:-9])
    shutil.copy(run / "previous.pt", tmp_path / "alone.pt")
    before = {path: path.read_bytes() for path in run.glob("*.*")}
    for checkpoint, message in (
        (run / "last.pt", r"last.pt cannot be used \(it is cut off.*name the run's folder, .*run, to go on"),
        (run / "none.pt", r"none.pt cannot be used \(No such file"),
        (run / "best.pt", r"best.pt holds weights, .*name \S*last.pt, or begin a run .* --weights \S*best.pt"),
        (tmp_path / "alone.pt", "is not a run: expected a folder"),
        (tmp_path / "nowhere", "nowhere does not exist: expected a folder that `alexc train` made"),
    ):
        with pytest.raises(UserError, match=message):
            tiny.run_to(asked(home, run, resume=checkpoint, out=None))
    with pytest.raises(UserError, match=r"previous.pt continues in .*run, not in --out .*other: leave --out out"):
        tiny.run_to(asked(home, tmp_path / "other", resume=run / "previous.pt"))
    assert {path: path.read_bytes() for path in run.glob("*.*")} == before
    assert not (tmp_path / "other").exists()


def test_data_that_does_not_fit_is_refused(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UserError, match="a batch of 27 is larger than the training set of 26 images"):
        tiny.run_to(asked(home, tmp_path / "run", batch=27))
    two = tiny.write_network(tmp_path, ("nn.Linear(216, 4)", "nn.Linear(216, 2)"))
    with pytest.raises(UserError, match=r"has 3 classes, but Tiny has 2 outputs: .*`linear 3`"):
        tiny.run_to(tiny.options(two, home / "store", tmp_path / "run"))
    larger = tiny.write_network(tmp_path, ("CenterCrop(20)", "CenterCrop(21)"))
    with pytest.raises(UserError, match="the network wants shorter side 24 and crop 21"):
        tiny.run_to(tiny.options(larger, home / "store", tmp_path / "run"))
    assert not (tmp_path / "run").exists()
    tiny.run_to(asked(home, tmp_path / "run"), steps=0)
    assert "the data has 3 classes and Tiny 4 outputs; the other one is never right" in capsys.readouterr().out


@pytest.mark.posix
def test_a_full_disk_shows_before_the_first_step(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=10_000))
    with pytest.raises(UserError, match=r"has 10\.0 kB free, and the checkpoints need 43\.2 kB:"):
        tiny.run_to(asked(home, tmp_path / "run"))
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["lock"]


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (
            ("lr=0.02", "lr=1e30"),
            r"(the loss is nan|a (gradient|weight) is not finite) at step \d+ \(epoch 1",
        ),
        (
            ("self.conv(x / 64)", "self.conv(x / 64) * (torch.nan if self.training else 1)"),
            "the loss is nan at step 1 ",
        ),
        (
            # sqrt's slope at zero is infinite: the loss stays finite, the gradient does not.
            ("return self.fc(", "return (x.sum() * 0).abs().sqrt() + self.fc("),
            r"a gradient is not finite at step 1 \(epoch 1\)",
        ),
    ],
)
def test_stops_before_a_step_that_would_spoil_the_weights(
    home: Path, tmp_path: Path, edit: tuple[str, str], message: str
) -> None:
    path = tiny.write_network(tmp_path, edit)
    with pytest.raises(UserError, match=message):
        tiny.run_to(tiny.options(path, home / "store", tmp_path / "run", save_every=1))
    for name in ("last.pt", "previous.pt"):
        if (tmp_path / "run" / name).exists():
            weights = tiny.checkpoint(tmp_path / "run" / name)["weights"]
            assert all(value.isfinite().all() for value in weights.values())
    assert (tmp_path / "run" / "last.pt").exists()


def test_the_schedule_ends_the_training_and_says_so(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edits = (("lr=0.02", "lr=1e-12"), ("times=3, patience=1", "times=1, patience=1"), ("val_loss", "val_error"))
    path = tiny.write_network(tmp_path, *edits, ("self.norm(self.conv(x / 64))", "self.conv(x / 64)"))
    run = tiny.run_to(tiny.options(path, home / "store", tmp_path / "run", epochs=50)).path
    notes = [record["text"] for record in tiny.metrics(run) if record["kind"] == "note"]
    assert [note.split(": ")[1] for note in notes] == [
        "rate 5e-13 from now on (1 of 1 divisions)",
        "training ends after 1 divisions of the rate",
    ]
    printed = capsys.readouterr().out
    assert all(note in printed for note in notes)
    assert tiny.checkpoint(run / "last.pt")["state"]["epoch"] == 3


def test_dropout_masks_depend_on_the_step(home: Path, tmp_path: Path) -> None:
    """The same network drops other values of the same batch at another step."""
    file = load_network_file(home / "tiny.py")
    network = file.build(0).train()
    images = torch.zeros(2, 3, tiny.SIZE, tiny.SIZE)
    outputs = []
    for step in (0, 0, 1):
        fix_masks(network, 0, step)
        torch.manual_seed(step)
        outputs.append(network(images))
    assert torch.equal(outputs[0], outputs[1])
    assert not torch.equal(outputs[0], outputs[2])


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("place", [0, 12_345, 39_999])
def test_one_value_that_is_not_finite_is_found(value: float, place: int) -> None:
    weight = torch.linspace(-1e38, 1e38, 40_000).view(100, 4, 10, 10).to(memory_format=torch.channels_last)
    assert all_finite([torch.zeros(3), weight])
    weight[place // 400, place // 100 % 4, place // 10 % 10, place % 10] = value
    assert not all_finite([torch.zeros(3), weight])


def test_values_whose_sum_overflows_are_finite() -> None:
    assert all_finite([torch.full((4,), 3e38)])


def test_a_schedule_by_steps_is_followed_and_resumed(home: Path, tmp_path: Path) -> None:
    plateau = 'Plateau(of="val_loss", divide=2.0, times=3, patience=1, least=10.0)'
    network = tiny.write_network(tmp_path, (plateau, "CosineRate(warmup=1.0)"), name="cosine.py")
    tiny.run_to(tiny.options(network, home / "store", tmp_path / "whole"))
    tiny.run_to(tiny.options(network, home / "store", tmp_path / "stopped"), steps=5)
    tiny.run_to(tiny.options(network, home / "store", tmp_path / "stopped", resume=True))
    tiny.assert_same_run(tmp_path / "stopped", tmp_path / "whole")
    rates = [each["rate"] for each in tiny.metrics(tmp_path / "whole") if each["kind"] == "step"]
    steps = tiny.EPOCHS * tiny.STEPS_PER_EPOCH
    falls = [0.02 * (1 + math.cos(math.pi * step / steps)) / 2 for step in range(steps)]
    rises = [min(1.0, (step + 1) / tiny.STEPS_PER_EPOCH) for step in range(steps)]
    assert rates == pytest.approx([fall * rise for fall, rise in zip(falls, rises, strict=True)])
