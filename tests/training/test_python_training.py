"""`net.train` and `Run`: a training in Python does what `alexc train` does, also in a notebook and when interrupted."""

from __future__ import annotations

import json
import signal
import threading
from dataclasses import fields
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import IPython
import numpy as np
import pytest
import torch
from PIL import Image

import alexc.run as run_module
from alexc import Interrupted, Net, Run, Runs, UserError
from alexc.runtime.data.store import open_store
from alexc.runtime.evaluation.prediction import predict
from alexc.runtime.evaluation.run_evaluation import evaluate_run, evaluation_text
from alexc.runtime.evaluation.trained_network import load_trained_network
from alexc.runtime.folder_lock import LOCK
from alexc.runtime.runs.run_folder import RunFolder, check_new
from alexc.runtime.training import trainer
from alexc.runtime.training.command import run_training
from alexc.runtime.training.options import TrainOptions
from alexc.training import Options
from tests.support.tiny_training import TRAIN_IMAGES, assert_same_run, make_images, make_store, options

SPEC = """
network Tiny {
  input 3x16x16
  conv1: conv 6 kernel=5 -> relu -> maxpool 2
  fc2:   linear 3        -> softmax
}

train {
  prepare   resize 24 -> center_crop 20 -> subtract mean_image
  augment   random_crop 16 -> mirror
  test      ten_crop 16
  loss      cross_entropy
  optimizer sgd lr=0.0001 momentum=0.9 weight_decay=0.0005
  schedule  constant
  batch     8
  epochs    2
}
"""
TINY = Net.from_text(SPEC, "tiny.net")
CPU: dict[str, Any] = {"device": "cpu", "workers": 1, "tensorboard": False}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a store, and with a finished run."""
    home = tmp_path_factory.mktemp("python")
    make_store(home)
    TINY.train(home / "store", out=home / "runs" / "done", **CPU)
    return home


@pytest.fixture
def done(home: Path) -> Run:
    return Run(home / "runs" / "done")


def interrupt_in_step(monkeypatch: pytest.MonkeyPatch, step: int, times: int = 1) -> None:
    """Press Ctrl-C in this step of the next training."""
    take_step = trainer.Trainer.take_step

    def interrupted(self: trainer.Trainer, *arguments: Any) -> object:  # noqa: ANN401
        if self.state.step == step - 1:
            for _ in range(times):
                signal.raise_signal(signal.SIGINT)
        return take_step(self, *arguments)

    monkeypatch.setattr(trainer.Trainer, "take_step", interrupted)


class TestTrain:
    def test_it_is_the_training_of_the_command(self, home: Path, done: Run, tmp_path: Path) -> None:
        network = tmp_path / "tiny.py"
        network.write_text(TINY.python())
        assert run_training(options(network, home / "store", tmp_path / "run", tensorboard=False)) == 0
        assert_same_run(done.path, tmp_path / "run")
        assert {path.name for path in done.path.iterdir()} == {path.name for path in (tmp_path / "run").iterdir()} | {
            "network.net"
        }

    def test_the_run_holds_the_network(self, done: Run) -> None:
        assert done.net.diff(TINY).same
        record = json.loads((done.path / "run.json").read_text())
        assert record["network_file"] == str(done.path / "network.py")
        assert record["commands"][0]["command"][:3] == ["alexc", "train", str(done.path / "network.py")]

    @pytest.mark.slow
    def test_it_takes_a_store_and_a_folder(self, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        store = open_store(home / "store")
        assert TINY.train(store, steps=1, **CPU).steps.shape == (1, 4)
        assert next(Path("runs").iterdir()).name.startswith("Tiny-")
        prepared = TINY.prepare(make_images(tmp_path / "images"), workers=1)
        assert len(prepared.train) == TRAIN_IMAGES
        assert prepared.identity == store.identity

    def test_the_users_torch_stays_as_it_was(self, home: Path, tmp_path: Path) -> None:
        torch.manual_seed(3)
        before = torch.get_rng_state()
        run = TINY.train(home / "store", out=tmp_path / "run", steps=1, **CPU)
        run.evaluate(device="cpu")
        assert torch.equal(torch.get_rng_state(), before)

    def test_in_another_thread(self, home: Path, tmp_path: Path) -> None:
        found: list[Run] = []
        thread = threading.Thread(
            target=lambda: found.append(TINY.train(home / "store", out=tmp_path / "run", steps=1, **CPU))
        )
        thread.start()
        thread.join()
        assert len(found[0].steps) == 1

    def test_it_has_the_options_of_the_command(self) -> None:
        others = {"network", "data", "spec", "out", "resume", "command", "find_spec"}
        assert set(Options.__annotations__) == {field.name for field in fields(TrainOptions)} - others

    @pytest.mark.parametrize(
        ("wrong", "message"),
        [
            ({"epochs": 0}, "epochs=0: expected a whole number of at least 1"),
            ({"batch": 2.5}, r"batch=2\.5: expected a whole number"),
            ({"amp": "half"}, "amp='half': expected one of bfloat16, float16"),
            ({"lr": -1.0}, r"--lr -1\.0: expected a number above 0"),
            ({"freeze": ["conv9"]}, "--freeze conv9: the network has no layer of this name"),
            ({"data": "nowhere"}, "nowhere is not a folder"),
            ({"placement": "pod"}, r"tiny\.net: has no placement `pod`"),
        ],
    )
    def test_a_mistake_leaves_nothing(self, home: Path, tmp_path: Path, wrong: dict[str, Any], message: str) -> None:
        given: dict[str, Any] = {"data": home / "store", "out": tmp_path / "runs" / "new", **CPU} | wrong
        with pytest.raises(UserError, match=message):
            TINY.train(**given)
        assert not given["out"].exists()
        given["out"].mkdir(parents=True)
        with pytest.raises(UserError, match=message):
            TINY.train(**given)
        assert not list(given["out"].iterdir())

    def test_other_mistakes(self, done: Run) -> None:
        with pytest.raises(TypeError, match="there is no option `epoch`; did you mean `epochs`"):
            TINY.train(epoch=1)  # type: ignore[call-arg]
        with pytest.raises(UserError, match=r"no\.net: the spec has no recipe: add a `train` block"):
            Net.from_text(SPEC[: SPEC.index("train {")], "no.net").train()
        with pytest.raises(UserError, match="holds a run already"):
            TINY.train(out=done.path)
        with pytest.raises(UserError, match="does not exist: expected a folder that `alexc train` made"):
            Run(done.path / "nowhere")

    def test_a_network_file_in_the_folder_of_its_own_run_stays(self, home: Path, tmp_path: Path) -> None:
        network = tmp_path / "network.py"
        network.write_text(TINY.python())
        check_new(tmp_path, network)
        with pytest.raises(UserError, match="is not empty"):
            check_new(tmp_path, home / "network.py")
        (tmp_path / "notes.txt").touch()
        with pytest.raises(UserError, match="is not empty"):
            check_new(tmp_path, network)
        (tmp_path / LOCK).touch()
        RunFolder(tmp_path).clear(kept=network)
        assert {path.name for path in tmp_path.iterdir()} == {"network.py", LOCK}


class TestInterrupted:
    def test_a_checkpoint_is_kept_and_the_run_goes_on(
        self, home: Path, done: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        handlers = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
        with monkeypatch.context() as pressed:
            interrupt_in_step(pressed, 3)
            with pytest.raises(Interrupted, match=r"continue with Run\(\".*run\"\)\.resume\(\)") as stop:
                TINY.train(home / "store", out=tmp_path / "run", **CPU)
        assert {each: signal.getsignal(each) for each in handlers} == handlers
        assert isinstance(stop.value, KeyboardInterrupt)
        assert stop.value._render_traceback_() == [str(stop.value)]
        run = stop.value.run
        assert list(run.steps["step"]) == [1, 2, 3]
        assert run.resume(**CPU).listed.epochs_done == 2
        assert_same_run(run.path, done.path)

    def test_a_second_ctrl_c_ends_at_once_and_the_process_goes_on(
        self, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        interrupt_in_step(monkeypatch, 2, times=2)
        with pytest.raises(KeyboardInterrupt) as stop:
            TINY.train(home / "store", out=tmp_path / "run", **CPU)
        assert not isinstance(stop.value, Interrupted)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler

    @pytest.mark.parametrize(("code", "error"), [(130, KeyboardInterrupt), (1, UserError)])
    def test_stopped_or_failed_before_the_run_began(
        self, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, error: type[BaseException]
    ) -> None:
        monkeypatch.setattr("alexc.training.run_training", lambda options, goes_on: code)
        with pytest.raises(error) as raised:
            TINY.train(home / "store", out=tmp_path / "run", **CPU)
        assert not isinstance(raised.value, Interrupted)
        assert not (tmp_path / "run").exists()


def test_weights_of_another_program(tmp_path: Path, done: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    given = {name: value + 1 for name, value in TINY.module(seed=1).state_dict().items()}
    torch.save({f"old.{name}": value for name, value in given.items()}, tmp_path / "old.pt")
    imported = TINY.import_weights(tmp_path / "old.pt", tmp_path / "tiny.safetensors")
    assert str(imported).splitlines()[0].split() == ["in", "the", "file", "in", "Tiny", "tensors"]
    assert str(imported).endswith("tiny.safetensors  written: 2 layers")
    assert imported._repr_html_().count("<tr>") == 3
    module = TINY.module(weights=tmp_path / "tiny.safetensors")
    assert all(torch.equal(given[name], value) for name, value in module.state_dict().items())
    of_run = TINY.module(weights=done.path)
    assert torch.equal(of_run.get_parameter("conv1.weight"), done.module().get_parameter("conv1.weight"))
    with pytest.raises(UserError, match=r"--weights .*done.* does not fit the network: conv1\.weight is 6x3x5x5"):
        TINY.variant("conv1: kernels=4").module(weights=done.path)
    with pytest.raises(UserError, match=r"old\.pt does not fit TinyVariant of TinyVariant\.net"):
        TINY.variant("conv1: kernels=4").import_weights(tmp_path / "old.pt", tmp_path / "other.safetensors")
    monkeypatch.chdir(tmp_path)
    of_torchvision = Net.from_text(TINY.text, "torchvision:named")
    assert of_torchvision.import_weights("old.pt").path == Path("named.safetensors")


class TestRun:
    def test_metrics(self, done: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        written = [json.loads(line) for line in (done.path / "metrics.jsonl").read_text().splitlines()]
        epochs = [each for each in written if each.pop("kind") == "epoch"]
        assert list(done.metrics.columns)[:4] == ["step", "epoch", "train_loss", "train_error"]
        assert done.metrics.to_dict("records") == epochs
        assert list(done.steps["step"]) == [1, 2, 3, 4, 5, 6, 7, 8]
        monkeypatch.setattr(run_module, "find_spec", lambda name: None)
        assert done.metrics == epochs
        assert done.steps == [each for each in written if "loss" in each]

    def test_evaluate_predict_and_module(self, home: Path, done: Run, tmp_path: Path) -> None:
        trained = load_trained_network(done.path, torch.device("cpu"))
        assert str(done.evaluate(device="cpu")) == evaluation_text(evaluate_run(trained, None, 128))
        assert done.evaluate(split="train", device="cpu").main.top1_error <= 1
        image = home / "images" / "val" / "red" / "2.png"
        guesses = tuple(predict(trained, image, 2))
        (of_file,) = done.predict(image, top=2, device="cpu")
        assert (of_file.image, of_file.guesses) == (image, guesses)
        with Image.open(image) as opened:
            (of_pixels,) = done.predict([opened.convert("RGB")], top=2, device="cpu")
        assert of_pixels.guesses == guesses
        predictions = done.predict([home / "images" / "val", str(image)], device="cpu")
        assert len(predictions) == 10
        assert str(predictions).count(str(image)) == 2
        (tmp_path / "broken.png").write_bytes(b"no image")
        with pytest.raises(UserError, match=r"broken\.png cannot be used: "):
            done.predict([tmp_path / "broken.png"], device="cpu")
        module = done.module()
        assert not module.training
        assert torch.equal(module.get_parameter("conv1.weight"), trained.network.get_parameter("conv1.weight"))

    @pytest.mark.parametrize("mode", ["L", "RGBA", "CMYK", "P", "I;16", "1"])
    def test_images_of_other_modes(self, done: Run, mode: str) -> None:
        image = Image.fromarray(np.zeros((20, 30), np.uint16)) if mode == "I;16" else Image.new(mode, (30, 20))
        assert len(done.predict(image, device="cpu")[0].guesses) == 3

    def test_curves_and_report(self, done: Run, tmp_path: Path) -> None:
        done.curves().save(tmp_path / "curves.png")
        assert (tmp_path / "curves.png").read_bytes() == (done.path / "curves.png").read_bytes()
        done.curves().save(tmp_path / "dark.png", theme="dark")
        with Image.open(tmp_path / "dark.png") as dark:
            assert dark.convert("RGB").getpixel((0, 0)) == (0x0D, 0x11, 0x17)
        done.curves().save(tmp_path / "dark.svg", theme="dark")
        assert 'fill="#0d1117"' in (tmp_path / "dark.svg").read_text()
        shown = ElementTree.fromstring(done.curves()._repr_svg_())
        assert (shown.get("width"), shown.get("height")) == ("100%", None)
        with pytest.raises(UserError, match=r"a picture's name ends in \.svg or \.png"):
            done.curves().save("curves.gif")
        assert done.report(tmp_path / "page.html", device="cpu") == tmp_path / "page.html"
        assert "Tiny" in (tmp_path / "page.html").read_text()

    def test_they_print_as_the_command_does_and_are_tables(self, home: Path, done: Run) -> None:
        runs = Runs(home / "runs")
        assert [run.path for run in runs] == [done.path]
        assert [run.path for run in runs[-1:]] == [runs[0].path] == [done.path]
        name, *cells = str(runs).splitlines()[1].split()
        assert name == "done"
        assert cells[0] == "Tiny"
        listed = dict(line.split(maxsplit=1) for line in str(done).splitlines() if line.startswith(("run", "network")))
        assert listed == {"run": str(done.path), "network": "Tiny"}
        for shown in (runs, done, done.predict(home / "images" / "val" / "red", device="cpu")):
            assert shown._repr_html_().count("<table>") == 1
            assert repr(shown) == str(shown)
        with pytest.raises(UserError, match="holds no runs"):
            Runs(home / "images")


class Kernel:
    """A stand-in for the shell and the display of a notebook; keeps what each output shows."""

    kernel = object()

    def __init__(self) -> None:
        self.outputs: list[dict[str, str]] = []

    def display(self, content: dict[str, str], *, raw: bool, display_id: bool) -> Kernel:
        assert raw
        assert display_id
        self.outputs.append(content)
        return self

    def update(self, content: dict[str, str], *, raw: bool) -> None:
        assert raw
        self.outputs[-1] = content


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    kernel = Kernel()
    monkeypatch.setattr(IPython, "get_ipython", lambda: kernel)
    monkeypatch.setattr("IPython.display.display", kernel.display)
    monkeypatch.setattr("alexc.runtime.notebook._SECONDS_BEFORE_THE_FIRST", 0)
    monkeypatch.setattr("alexc.runtime.notebook._SECONDS_BETWEEN_UPDATES", 0)
    return kernel


class TestNotebook:
    def test_a_training_is_one_bar(
        self, home: Path, tmp_path: Path, kernel: Kernel, capsys: pytest.CaptureFixture[str]
    ) -> None:
        run = TINY.train(home / "store", out=tmp_path / "run", **CPU)
        (bar,) = kernel.outputs
        assert '<progress value="1.000"' in bar["text/html"]
        error = f"{run.listed.val_error:.1%}"
        assert bar["text/plain"] == f"Tiny · 2 of 2 epochs · validation error {error} in epoch {run.listed.best_epoch}"
        assert capsys.readouterr() == ("", "")
        run.resume(steps=8, **CPU)
        assert "nothing is left to do" in kernel.outputs[-1]["text/plain"]

    def test_the_bar_counts_all_epochs(
        self, home: Path, tmp_path: Path, kernel: Kernel, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        shown: list[str] = []
        monkeypatch.setattr(kernel, "update", lambda content, raw: shown.append(content["text/html"]))
        TINY.train(home / "store", out=tmp_path / "run", **CPU)
        shares = [float(html.split('value="')[1].split('"')[0]) for html in shown]
        assert shares == sorted(shares)
        assert 0.49 < max(each for each in shares if each < 0.6) < 0.51
        assert "epoch 2/2 · loss " in shown[-2]
        assert "validation error" in shown[-2]

    def test_a_bar_of_other_work_goes_away(self, done: Run, kernel: Kernel) -> None:
        done.evaluate(device="cpu")
        assert {output["text/plain"] for output in kernel.outputs} == {""}
