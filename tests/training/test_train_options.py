"""The options of `alexc train`: starting weights, frozen layers, micro-batches, precision, compilation, seeds."""

from __future__ import annotations

import json
import os
import shlex
import shutil
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from safetensors.torch import save_file

from alexc.compiler.files.pytorch import write_pytorch
from alexc.compiler.pipeline import check_text
from alexc.printable import shell_line
from alexc.runtime.errors import UserError
from alexc.runtime.runs.checkpoint import load_checkpoint, save_checkpoint
from alexc.runtime.training.command import run_seeds
from alexc.runtime.training.test_only import evaluate_weights
from tests.conftest import ROOT, Alexc
from tests.support import tiny_training as tiny
from tests.support.commands import Command

pytestmark = pytest.mark.slow
COMPILER = shutil.which(os.environ.get("CXX", "g++"))
needs_compiler = pytest.mark.skipif(COMPILER is None, reason="torch.compile needs a C++ compiler on the CPU")
PLAIN = (  # no random draws of torch's, and no layer that depends on the whole batch
    ("self.torchs_drop(self.drop(x.flatten(1)))", "self.drop(x.flatten(1))"),
    ("self.norm(self.conv(x / 64))", "self.conv(x / 64)"),
)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("options")
    tiny.make_store(folder)
    tiny.write_network(folder)
    tiny.write_network(folder, *PLAIN, name="plain.py")
    return folder


def train(
    home: Path,
    run: Path,
    steps: int | None = None,
    network: str = "tiny.py",
    **changes: Any,  # noqa: ANN401
) -> dict[str, Any]:
    asked = tiny.options(home / network, home / "store", run, **changes)
    return tiny.checkpoint(tiny.run_to(asked, steps).path / "last.pt")


@pytest.fixture(scope="module")
def trained(home: Path) -> Path:
    train(home, home / "trained", epochs=1)
    return home / "trained"


def save_weights(run: Path, path: Path) -> None:
    weights = tiny.checkpoint(run / "best.pt")["weights"]
    save_file({name: value.contiguous() for name, value in weights.items()}, path)


@pytest.mark.parametrize("form", ["run", "checkpoint", "safetensors"])
def test_starts_from_given_weights(home: Path, tmp_path: Path, trained: Path, form: str) -> None:
    weights = tiny.checkpoint(trained / "best.pt")["weights"]
    save_weights(trained, tmp_path / "w.safetensors")
    source = {"run": trained, "checkpoint": trained / "best.pt", "safetensors": tmp_path / "w.safetensors"}[form]
    begun = train(home, tmp_path / "run", steps=0, weights=source)
    assert all(torch.equal(value, weights[name]) for name, value in begun["weights"].items())


@pytest.mark.parametrize("form", ["run", "resume", "checkpoint", "safetensors"])
def test_test_only_prints_what_evaluate_does(
    home: Path, tmp_path: Path, trained: Path, alexc: Alexc, form: str
) -> None:
    save_weights(trained, tmp_path / "w.safetensors")
    options: dict[str, tuple[str | Path, ...]] = {
        "run": ("--weights", trained),
        "resume": ("--resume", trained),
        "checkpoint": ("--weights", trained / "best.pt"),
        "safetensors": ("--weights", "w.safetensors", "--data", home / "store"),
    }
    before = sorted(trained.rglob("*"))
    tested = alexc("train", home / "tiny.py", "--test-only", "--device", "cpu", *options[form])
    evaluated = alexc("evaluate", trained, "--device", "cpu")
    assert tested.returncode == 0, tested.stderr
    first, rest = tested.stdout.split("\n", 1)
    assert rest == evaluated.stdout.split("\n", 1)[1]
    assert "10 crops" in rest
    assert first == ("from  w.safetensors" if form == "safetensors" else f"run   {trained}, best.pt after 1 epoch")
    assert [path.name for path in tmp_path.iterdir()] == ["w.safetensors"]
    assert sorted(trained.rglob("*")) == before


def test_test_only_uses_the_average_that_was_validated(home: Path, tmp_path: Path) -> None:
    network = tiny.write_network(tmp_path, ("    batch=8,", "    average=MovingAverage(0.9), batch=8,"))
    run = tiny.run_to(tiny.options(network, home / "store", tmp_path / "run", epochs=1))
    asked = tiny.options(network, home / "store", tmp_path, weights=run.last)
    (epoch,) = [each for each in tiny.metrics(run.path) if each["kind"] == "epoch"]
    assert evaluate_weights(asked).scores["centre"].loss == pytest.approx(epoch["val_loss"], rel=1e-5)
    assert not torch.equal(*(tiny.checkpoint(run.last)[kind]["fc.weight"] for kind in ("weights", "average")))


def test_test_only_refuses_what_does_not_fit(home: Path, tmp_path: Path, trained: Path) -> None:
    other = tiny.write_network(tmp_path, ("nn.Linear(216, 4)", "nn.Linear(216, 5)"))
    save_weights(trained, tmp_path / "w.safetensors")
    cases: tuple[tuple[Path, dict[str, Any], str], ...] = (
        (home / "tiny.py", {}, "name what to test"),
        (home / "tiny.py", {"resume": "auto"}, "name what to test"),
        (home / "tiny.py", {"weights": trained, "resume": trained}, "name what to test"),
        (home / "tiny.py", {"weights": tmp_path / "w.safetensors", "data": None}, "name the images to test with"),
        (home / "tiny.py", {"weights": tmp_path / "none.safetensors"}, "does not exist"),
        (home / "tiny.py", {"weights": home}, "is not a run"),
        (other, {"weights": trained}, "is not the file that .* trains: test the run's own network"),
        (other, {"weights": tmp_path / "w.safetensors"}, "has another last layer than the network, fc"),
    )
    for network, changes, message in cases:
        with pytest.raises(UserError, match=message):
            evaluate_weights(tiny.options(network, home / "store", tmp_path, **{"data": home / "store"} | changes))


def test_a_last_layer_for_other_classes_is_new_and_a_note_says_so(
    home: Path, tmp_path: Path, trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tiny.write_network(tmp_path, ("nn.Linear(216, 4)", "nn.Linear(216, 3)"))
    asked = tiny.options(other, home / "store", tmp_path / "run", weights=trained)
    begun = tiny.checkpoint(tiny.run_to(asked, 0).path / "last.pt")["weights"]
    fresh = tiny.checkpoint(tiny.run_to(tiny.options(other, home / "store", tmp_path / "fresh"), 0).path / "last.pt")
    assert "fc is new" in capsys.readouterr().out
    assert torch.equal(begun["fc.weight"], fresh["weights"]["fc.weight"])
    assert torch.equal(begun["conv.weight"], tiny.checkpoint(trained / "best.pt")["weights"]["conv.weight"])


def test_weights_of_another_network_are_refused(home: Path, tmp_path: Path, trained: Path) -> None:
    other = tiny.write_network(tmp_path, ("nn.Conv2d(3, 6, 5)", "nn.Conv2d(3, 6, 5, bias=False)"))
    with pytest.raises(UserError, match=r"conv\.bias is 6 there and missing in the network"):
        tiny.run_to(tiny.options(other, home / "store", tmp_path / "run", weights=trained))
    with pytest.raises(UserError, match="leave one of them out"):
        train(home, trained, resume=True, weights=trained)
    broken = tmp_path / "broken.pt"
    broken.write_bytes((trained / "best.pt").read_bytes()[:-9])
    with pytest.raises(UserError, match=r"broken.pt cannot be used \(it is cut off"):
        train(home, tmp_path / "run", weights=broken)


def test_frozen_layers_stay_and_the_others_change(home: Path, tmp_path: Path) -> None:
    start = train(home, tmp_path / "start", steps=0)["weights"]
    end = train(home, tmp_path / "run", freeze=("conv", "norm"))["weights"]
    for name, value in end.items():
        assert torch.equal(value, start[name]) is not name.startswith("fc"), name
    train(home, tmp_path / "stopped", steps=5, freeze=("conv", "norm"))
    train(home, tmp_path / "stopped", resume=True)  # the run knows what is frozen
    tiny.assert_same_run(tmp_path / "stopped", tmp_path / "run")
    with pytest.raises(UserError, match=r"--freeze conv: .* was begun with freeze conv,norm"):
        train(home, tmp_path / "run", resume=True, freeze=("conv",))


def test_layers_to_freeze_must_be_there(home: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"--freeze cnv: .* did you mean conv\?"):
        train(home, tmp_path / "run", freeze=("cnv",))
    with pytest.raises(UserError, match="nothing is left to train"):
        train(home, tmp_path / "run", freeze=("conv", "norm", "fc"))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("parts", [2, 3, 8])
def test_micro_batches_train_as_a_whole_batch_does(home: Path, tmp_path: Path, parts: int) -> None:
    whole = train(home, tmp_path / "whole", network="plain.py")["weights"]
    cut = train(home, tmp_path / "cut", network="plain.py", accumulate=parts)["weights"]
    for name, value in whole.items():
        torch.testing.assert_close(cut[name], value, rtol=1e-4, atol=1e-6)
    for one, other in zip(tiny.metrics(tmp_path / "whole"), tiny.metrics(tmp_path / "cut"), strict=True):
        assert one == {name: pytest.approx(value, rel=1e-4) if isinstance(value, float) else value
                       for name, value in other.items()}  # fmt: skip


def test_a_training_in_micro_batches_is_resumed(home: Path, tmp_path: Path) -> None:
    train(home, tmp_path / "run", accumulate=2)
    train(home, tmp_path / "stopped", steps=6, accumulate=2)
    train(home, tmp_path / "stopped", resume=True)
    tiny.assert_same_run(tmp_path / "stopped", tmp_path / "run")
    with pytest.raises(UserError, match=r"--accumulate 3: .* was begun with accumulate 2"):
        train(home, tmp_path / "run", resume=True, accumulate=3)
    with pytest.raises(UserError, match="a batch of 8 has fewer images"):
        train(home, tmp_path / "other", accumulate=9)


def test_amp_replaces_the_precision_of_the_recipe(home: Path, tmp_path: Path) -> None:
    said = tiny.write_network(tmp_path, ("    batch=8,", "    precision=BFloat16(), batch=8,"))
    tiny.run_to(tiny.options(said, home / "store", tmp_path / "said"))
    asked = train(home, tmp_path / "asked", amp="bf16")
    spoken = tiny.checkpoint(tmp_path / "said" / "last.pt")
    assert all(torch.equal(value, spoken["weights"][name]) for name, value in asked["weights"].items())
    plain = train(home, tmp_path / "plain")
    assert not torch.equal(plain["weights"]["fc.weight"], asked["weights"]["fc.weight"])


@pytest.mark.parametrize(
    ("amp", "recipe", "said"),
    [
        ("bf16", "Float32", "bfloat16, so steps take many times as long as in float32: leave --amp out\n"),
        (
            None,
            "Float16",
            "float16, so steps take many times as long as in float32: take `precision` out of the recipe\n",
        ),
    ],
)
@pytest.mark.parametrize("has_instructions", [False, True])
def test_a_cpu_without_instructions_for_16_bits_is_told_of(
    amp: str | None,
    recipe: str,
    said: str,
    has_instructions: bool,
    home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for kind in ("bf16", "fp16"):
        monkeypatch.setattr(torch.ops.mkldnn, f"_is_mkldnn_{kind}_supported", lambda: has_instructions)
    network = tiny.write_network(tmp_path, ("    batch=8,", f"    precision={recipe}(), batch=8,"))
    tiny.run_to(tiny.options(network, home / "store", tmp_path / "run", amp=amp), 1)
    assert (f"this CPU has no instructions for {said}" in capsys.readouterr().out) is not has_instructions
    tiny.run_to(tiny.options(network, home / "store", tmp_path / "run", resume=True), 2)
    again = shell_line("alexc", "train", network, "--weights", tmp_path / "run")
    told = f"this CPU has no instructions for {said.rstrip()} in a new run from its weights: {again}\n"
    assert (told in capsys.readouterr().out) is not has_instructions


def test_the_rate_and_the_decay_replace_those_of_the_recipe(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = tiny.write_network(tmp_path, ("lr=0.02", "lr=0.01"), ("weight_decay=0.0005", "weight_decay=0.05"))
    tiny.run_to(tiny.options(said, home / "store", tmp_path / "said", epochs=1))
    capsys.readouterr()
    asked = train(home, tmp_path / "asked", steps=2, epochs=1, lr=0.01, weight_decay=0.05)
    printed = capsys.readouterr().out
    assert "rate      0.01, in place of the recipe's 0.02" in printed
    assert "decay     0.05, in place of the recipe's 0.0005" in printed
    record = json.loads((tmp_path / "asked" / "run.json").read_text())
    assert (record["lr"], record["weight_decay"], asked["lr"], asked["weight_decay"]) == (0.01, 0.05, 0.01, 0.05)
    refused: tuple[tuple[dict[str, Any], str], ...] = (
        ({"lr": 0.02}, "--lr 0.02: .* was begun with lr 0.01; leave the option out"),
        ({"weight_decay": 0.0}, "--weight-decay 0.0: .* was begun with weight-decay 0.05"),
    )
    for change, words in refused:
        with pytest.raises(UserError, match=words):
            train(home, tmp_path / "asked", resume=True, **change)
    resumed = train(home, tmp_path / "asked", resume=True, lr=0.01)  # the run keeps the other one
    spoken = tiny.checkpoint(tmp_path / "said" / "last.pt")
    assert all(torch.equal(value, spoken["weights"][name]) for name, value in resumed["weights"].items())


def test_the_rate_of_the_recipe_is_no_other_rate(home: Path, tmp_path: Path) -> None:
    assert train(home, tmp_path / "run", steps=1, epochs=1, lr=0.02, weight_decay=0.0005)["lr"] is None
    train(home, tmp_path / "run", steps=2, resume=True)
    with pytest.raises(UserError, match=r"--lr 0.1: .* was begun with lr that of the recipe"):
        train(home, tmp_path / "run", resume=True, lr=0.1)
    wrong: list[dict[str, Any]]
    wrong = [{"lr": 0.0}, {"lr": float("nan")}, {"weight_decay": -1.0}, {"weight_decay": float("inf")}]
    for change in wrong:
        with pytest.raises(UserError, match=r"^--(lr|weight-decay) \S+: expected"):
            train(home, tmp_path / "other", **change)


@needs_compiler
def test_a_compiled_training_is_the_same_and_can_be_resumed_uncompiled(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = train(home, tmp_path / "whole", epochs=2)
    made = train(home, tmp_path / "run", 6, epochs=2, compile=True)
    assert list(made["weights"]) == list(whole["weights"])
    capsys.readouterr()
    train(home, tmp_path / "run", resume=True)
    assert "not as before: compile (see run.json)" in capsys.readouterr().out
    commands = json.loads((tmp_path / "run" / "run.json").read_text())["commands"]
    assert [command["compile"] for command in commands] == [True, False]
    # The network has both kinds of dropout: another mask would change the first digit of a loss.
    for here, there in zip(tiny.metrics(tmp_path / "run"), tiny.metrics(tmp_path / "whole"), strict=True):
        for name in ("loss", "val_loss", "train_loss"):
            assert here.get(name, 0.0) == pytest.approx(there.get(name, 0.0), rel=1e-4), (here, there)
    again = train(home, tmp_path / "again", 6, epochs=2, compile=True)
    assert all(torch.equal(value, made["weights"][name]) for name, value in again["weights"].items())


def test_without_a_compiler_the_error_says_how_to_go_on(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "cache"))
    arguments = ["train", home / "tiny.py", "--data", home / "store", "--out", "run", "--device", "cpu", "--compile"]
    # torch reads CXX from the environment only once, when it is imported.
    compiler = f"from torch._inductor import config; config.cpp.cxx = (None, {str(tmp_path / 'no-compiler')!r})"
    process = Command(*arguments, cwd=tmp_path, first=compiler)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 1, errors
    assert "Traceback" not in errors
    assert "error: --compile: torch cannot compile this network here (" in errors
    resume = shlex.split(errors.partition("the run continues with: alexc ")[2])
    assert resume[:3] == ["train", str(home / "tiny.py"), "--resume"]
    rest = Command(*resume, "--steps", 2, cwd=tmp_path)
    _, errors = rest.communicate(timeout=300)
    assert rest.returncode == 0, errors


def test_print_freq_sets_how_often_a_line_is_printed(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(home, tmp_path / "run", steps=7, print_freq=3, tensorboard=False)
    printed = capsys.readouterr().out
    assert [line[:16] for line in printed.splitlines() if "  step " in line] == ["epoch 1  step 3 ", "epoch 2  step 6 "]
    assert not (tmp_path / "run" / "tensorboard").exists()


def test_options_that_do_not_fit_are_refused(home: Path, tmp_path: Path, alexc: Alexc) -> None:
    placed = tmp_path / "placed.py"
    flagship = check_text((ROOT / "spec" / "alexnet.net").read_text(), "alexnet.net")
    assert flagship.graph is not None
    placed.write_text(write_pytorch(flagship.graph, "alexnet.net", flagship.placed["two_gpus"]))
    with pytest.raises(UserError, match="--seeds trains on one device"):
        run_seeds(tiny.options(placed, home / "store", tmp_path / "run"), 2)
    refused: list[tuple[Path | Literal["auto"], Path | None]]
    refused = [(tmp_path, None), (tmp_path, tmp_path), ("auto", None)]
    for resume, out in refused:
        with pytest.raises(UserError, match="--seeds resumes its runs with --resume auto --out FOLDER"):
            run_seeds(tiny.options(home / "tiny.py", home / "store", tmp_path, resume=resume, out=out), 2)
    result = alexc("train", home / "tiny.py", "--amp-dtype", "float16")
    assert result.returncode == 2
    assert "add --amp" in result.stderr


def test_several_seeds_are_trained_and_compared(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = tiny.options(home / "tiny.py", home / "store", tmp_path / "all", seed=5, epochs=1)
    assert run_seeds(asked, 3) == 0
    printed = capsys.readouterr().out
    assert "validation error, best epoch of 3 seeds: " in printed
    assert sorted(path.name for path in (tmp_path / "all").iterdir()) == ["seed-5", "seed-6", "seed-7"]
    train(home, tmp_path / "alone", seed=6, epochs=1)
    tiny.assert_same_run(tmp_path / "all" / "seed-6", tmp_path / "alone")
    again = tiny.options(home / "tiny.py", home / "store", tmp_path / "all", seed=5, epochs=1, resume="auto")
    assert run_seeds(again, 4) == 0
    assert (tmp_path / "all" / "seed-8" / "best.pt").exists()


def test_a_run_of_an_older_alexc_is_refused_and_its_weights_can_be_used(home: Path, tmp_path: Path) -> None:
    train(home, tmp_path / "old", epochs=1)
    record = json.loads((tmp_path / "old" / "run.json").read_text())
    saved = load_checkpoint(tmp_path / "old" / "last.pt")
    for name in ("freeze", "amp", "accumulate"):
        del record[name], saved[name]
    for name in ("optimizer", "average", "early_stopping", "loss_scale"):
        del saved[name]
    save_checkpoint(tmp_path / "old" / "last.pt", saved | {"velocities": []})
    (tmp_path / "old" / "run.json").write_text(json.dumps(record))
    with pytest.raises(UserError, match=r"was begun by an older alexc .* --weights"):
        train(home, tmp_path / "old", resume=True, epochs=2)
    train(home, tmp_path / "new", steps=1, weights=tmp_path / "old")


def test_a_checkpoint_whose_optimiser_has_no_names_of_weights_is_of_an_older_alexc(home: Path, tmp_path: Path) -> None:
    train(home, tmp_path / "old", epochs=1)
    saved = load_checkpoint(tmp_path / "old" / "last.pt")
    velocities = list(saved.pop("optimizer")["velocity"].values())
    save_checkpoint(tmp_path / "old" / "last.pt", saved | {"moments": {"velocity": velocities}})
    with pytest.raises(UserError, match=r"was begun by an older alexc .* --weights"):
        train(home, tmp_path / "old", resume=True, epochs=2)
