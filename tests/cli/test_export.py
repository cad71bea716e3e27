"""`alexc export` and `alexc weights export`: files that say how to use them, and are what was trained."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime  # type: ignore[import-untyped]
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor

from alexc.runtime.data.dataset_statistics import load_statistics
from alexc.runtime.data.decode import scale_and_crop
from alexc.runtime.data.recipe_images import geometry_of, renderer_of
from alexc.runtime.data.views import central_view
from alexc.runtime.errors import UserError
from alexc.runtime.evaluation.file_weights import NOTHING_SAID, load_classifier
from alexc.runtime.evaluation.prediction import predict
from alexc.runtime.evaluation.trained_network import load_trained_network
from alexc.runtime.exporting import onnx_file
from alexc.runtime.exporting.comparison import compare
from alexc.runtime.exporting.description import description
from alexc.runtime.exporting.export import export_network
from alexc.runtime.exporting.subject import subject_of
from alexc.runtime.exporting.weights_file import export_weights
from alexc.runtime.network_file import load_network_file
from alexc.runtime.runs.checkpoint import load_checkpoint
from alexc.runtime.runs.metrics import read_metrics
from alexc.runtime.runs.run_folder import RunFolder
from alexc.runtime.runs.starting_weights import starting_weights
from alexc.runtime.weights_import import import_weights
from tests.conftest import ROOT, Alexc
from tests.support.tiny_training import CLASSES, make_store, options, run_to, write_network

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    folder = tmp_path_factory.mktemp("training")
    return run_to(options(write_network(folder), make_store(folder), folder / "run"))


def prepared(image: Image.Image, said: Mapping[str, str]) -> NDArray[np.float32]:
    """What a stranger makes of an image who reads no more than the metadata; (1, 3, size, size)."""
    assert said["preprocessing"].startswith(
        "Red, green and blue, 0..255; scale the shorter side to 24 pixels (bilinear, antialiased); "
        "cut the central 20x20; of that the central 16x16"
    )
    scale = 24 / min(image.size)
    image = image.resize((int(image.width * scale), int(image.height * scale)), Image.Resampling.BILINEAR)
    left, top = round((image.width - 20) / 2), round((image.height - 20) / 2)
    pixels = np.asarray(image.crop((left, top, left + 20, top + 20)), np.float32)[2:18, 2:18].transpose(2, 0, 1)
    if "subtract_image" in said:
        pixels = pixels - np.load(io.BytesIO(base64.b64decode(said["subtract_image"])))
    if "subtract" in said:
        pixels = pixels - np.array(json.loads(said["subtract"]), np.float32)[:, None, None]
    if "multiply" in said:
        pixels = pixels * np.array(json.loads(said["multiply"]), np.float32)[:, None, None]
    return pixels[None]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("step", "numbers"),
    [
        ('Subtract("mean_image")', {"subtract_image"}),
        ('Subtract("mean_color")', {"subtract"}),
        ("Normalize()", {"subtract", "multiply"}),
        ("", set()),
    ],
)
def test_images_can_be_made_ready_by_what_is_said(step: str, numbers: set[str], tmp_path: Path, run: RunFolder) -> None:
    file = load_network_file(write_network(tmp_path, (', Subtract("mean_image")', f", {step}" if step else "")))
    statistics = load_statistics(run.statistics)
    said = description(file, file.build(seed=0), statistics)
    assert numbers == {"subtract", "multiply", "subtract_image"} & set(said)
    grey_level = max(json.loads(said.get("multiply", "[1]")))
    for size, allowed in (
        ((24, 37, 3), 1e-4),
        ((31, 47, 3), 1.01 * grey_level),
    ):  # scaled, Pillow rounds in its own way
        pixels = np.random.default_rng(3).integers(0, 256, size, np.uint8)
        ours = np.empty((16, 16, 3), np.float32)
        renderer_of(file, statistics).render(scale_and_crop(pixels, geometry_of(file)), central_view(20, 16), ours)
        theirs = prepared(Image.fromarray(pixels), said)[0]
        np.testing.assert_allclose(theirs, ours.transpose(2, 0, 1), rtol=1e-5, atol=allowed)


def test_without_a_run_it_is_said_what_to_subtract_in_words(tmp_path: Path) -> None:
    file = load_network_file(write_network(tmp_path))
    said = description(file, file.build(seed=0), None)
    assert "subtract the mean image of the images that it was trained on" in said["preprocessing"]
    assert not {"classes", "subtract_image", "subtract"} & set(said)


@pytest.mark.slow
def test_a_stranger_gets_what_alexc_computes(
    tmp_path: Path,
    alexc: Alexc,
    run: RunFolder,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    result = alexc("export", run.path, "--onnx", "-o", "tiny.onnx")
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0] == "tiny.onnx  written: Tiny, 1,336 parameters"
    assert lines[1].startswith("images:  batch x 3 x 16 x 16. Red, green and blue, 0..255; ")
    assert lines[2].startswith("checked: largest difference ")
    assert lines[2].endswith("between its logits and torch's, on random and validation images, at batch 1 and 5")

    content = (tmp_path / "tiny.onnx").read_bytes()
    assert str(run.path).encode() not in content
    assert b"site-packages" not in content
    session = onnxruntime.InferenceSession(content)
    said = session.get_modelmeta().custom_metadata_map
    assert json.loads(said["classes"]) == list(CLASSES)
    assert [each.name for each in session.get_inputs()] == ["images"]
    image = Image.fromarray(np.random.default_rng(8).integers(0, 256, (40, 24, 3), np.uint8))
    expected = logits_of(run, image)
    three = np.repeat(prepared(image, said), 3, axis=0)
    (logits,) = session.run(["logits"], {"images": three})
    np.testing.assert_allclose(np.asarray(logits), expected.repeat(3, axis=0), rtol=1e-4, atol=1e-4)

    image.save(tmp_path / "holiday.png")
    blocks = re.findall(r"^```python\n(.*?)^```$", (ROOT / "docs" / "weights.md").read_text(), re.M | re.S)
    (shown,) = (block for block in blocks if "onnxruntime" in block)
    for there, here in (("small.onnx", "tiny.onnx"), ("holiday.jpg", "holiday.png"), ("72", "24"), ("64", "16")):
        shown = re.sub(rf"\b{re.escape(there)}\b", here, shown)
    used: dict[str, Any] = {}
    monkeypatch.chdir(tmp_path)
    exec(shown, used)  # our own page
    np.testing.assert_allclose(used["logits"], expected, rtol=1e-4, atol=1e-4)
    assert capsys.readouterr().out.splitlines() == [said["preprocessing"], CLASSES[expected[0].argmax()]]


def logits_of(run: RunFolder, image: Image.Image) -> NDArray[np.float32]:
    """What the trained network makes of the central view of an image; (1, outputs)."""
    trained = load_trained_network(run.path, CPU)
    view = np.empty((16, 16, 3), np.float32)
    trained.renderer().render(scale_and_crop(np.array(image), geometry_of(trained.file)), central_view(20, 16), view)
    with torch.no_grad():
        made: NDArray[np.float32] = trained.network(torch.from_numpy(view).permute(2, 0, 1)[None]).numpy()
    return made


@pytest.mark.slow
def test_a_program_of_torch_export_gives_probabilities_if_asked(tmp_path: Path, run: RunFolder) -> None:
    out = tmp_path / "tiny.pt2"
    exported = export_network(run.path, None, out, "pt2", softmax=True)
    assert exported.texts["output"] == "probabilities"
    assert exported.comparison.images == ("random", "validation")
    told = {"alexc.json": ""}
    program = torch.export.load(out, extra_files=told)
    assert json.loads(told["alexc.json"]) == exported.texts
    assert str(run.path).encode() not in out.read_bytes()
    trained = load_trained_network(run.path, CPU)
    for batch in (1, 7):
        images = torch.randn(batch, 3, 16, 16) * 64
        made = program.module()(images)
        torch.testing.assert_close(made, trained.network(images).softmax(1))
        torch.testing.assert_close(made.sum(1), torch.ones(batch))


def metadata_of(path: Path) -> dict[str, str]:
    with safe_open(path, "pt") as file:
        said: dict[str, str] = file.metadata()
        return said


def test_exported_weights_are_the_best_ones_and_say_so(tmp_path: Path, run: RunFolder) -> None:
    out = tmp_path / "tiny.safetensors"
    export_weights(run.path, out)
    trained, said = load_trained_network(run.path, CPU), metadata_of(out)
    (best,) = [
        record
        for record in read_metrics(run.metrics)
        if record["kind"] == "epoch" and record["epoch"] == trained.epochs
    ]
    assert float(said["validation_error"]) == best["val_error"]
    assert (said["network"], said["parameters"], said["format"]) == ("Tiny", "1336", "pt")
    assert json.loads(said["classes"]) == list(CLASSES)
    assert "spec" not in said
    saved = load_file(out)
    state = trained.network.state_dict()
    assert saved.keys() == state.keys()
    assert all(torch.equal(saved[name], state[name]) for name in state)


def test_exported_weights_go_where_weights_go(tmp_path: Path, run: RunFolder) -> None:
    out, network = tmp_path / "tiny.safetensors", load_network_file(run.network)
    export_weights(run.path, out)
    state = load_trained_network(run.path, CPU).network.state_dict()
    started, missing = starting_weights(out, network.build(seed=9).state_dict())
    assert missing is None
    assert all(torch.equal(started[name], state[name]) for name in state)
    import_weights(out, network, [], tmp_path / "again.safetensors")
    again = load_file(tmp_path / "again.safetensors")
    assert all(torch.equal(again[name], state[name]) for name in state)


@pytest.mark.slow
def test_the_command_puts_the_spec_of_the_run_into_the_file(tmp_path: Path, alexc: Alexc, run: RunFolder) -> None:
    spec = run.path / "network.net"
    spec.write_text("network Tiny { … }\n", encoding="utf-8")
    try:
        result = alexc("weights", "export", run.path)
    finally:
        spec.unlink()
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("run.safetensors  written: Tiny, 1,336 parameters, validation error ")
    assert metadata_of(tmp_path / "run.safetensors")["spec"] == "network Tiny { … }\n"
    result = alexc("weights", "export", run.path)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith("error: run.safetensors is already there")


@pytest.mark.slow
def test_a_file_is_called_what_it_is(tmp_path: Path, alexc: Alexc, run: RunFolder) -> None:
    result = alexc("export", run.path, "--onnx", "-o", "tiny.pt2")
    message = "error: tiny.pt2: the name of what --onnx writes ends in .onnx, as in run.onnx\n"
    assert (result.returncode, result.stdout, result.stderr) == (1, "", message)
    assert not (tmp_path / "tiny.pt2").exists()


@pytest.mark.slow
def test_a_network_file_is_exported_with_weights_of_a_file(tmp_path: Path, run: RunFolder) -> None:
    export_weights(run.path, tmp_path / "tiny.safetensors")
    exported = export_network(run.network, tmp_path / "tiny.safetensors", tmp_path / "a.onnx", "onnx", softmax=False)
    assert exported.comparison.images == ("random",)
    session = onnxruntime.InferenceSession(tmp_path / "a.onnx")
    images = torch.randn(2, 3, 16, 16) * 64
    expected = load_trained_network(run.path, CPU).network(images).detach().numpy()
    (made,) = session.run(None, {"images": images.numpy()})
    np.testing.assert_allclose(np.asarray(made), expected, rtol=1e-4, atol=1e-4)


def test_what_cannot_be_exported_is_refused(tmp_path: Path, run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out.onnx"

    def refused(message: str, source: Path, weights: Path | None = None) -> None:
        with pytest.raises(UserError, match=message):
            export_network(source, weights, out, "onnx", softmax=False)
        assert not out.exists()

    refused("which has its weights: --weights goes with a network file", run.path, tmp_path / "any.safetensors")
    refused("has no weights: name a run or a file with them with --weights", run.network)
    refused("is not a run", tmp_path)
    refused("does not exist", tmp_path / "none.py")
    other = write_network(tmp_path, ("nn.Linear(216, 4)", "nn.Linear(216, 5)"))
    refused("holds no fc of the shape that Tiny has", other, run.path)
    monkeypatch.setattr(onnx_file, "find_spec", lambda name: None if name != "onnx" else find_spec(name))
    refused("needs onnxruntime, onnxscript, not installed here: pip install onnxruntime onnxscript", run.path)
    monkeypatch.setattr(onnx_file, "_LARGEST_BYTES", 1000)
    monkeypatch.setattr(onnx_file, "find_spec", find_spec)
    refused("too large for one ONNX file", run.path)
    out.write_text("mine")
    with pytest.raises(UserError, match=r"out\.onnx is already there"):
        export_network(run.path, None, out, "onnx", softmax=False)
    assert out.read_text() == "mine"


@pytest.mark.parametrize("wrong", [lambda x: x + 2e-4, lambda x: x * float("nan"), lambda x: x[:, :1]])
def test_a_difference_is_found(wrong: Callable[[Tensor], Tensor]) -> None:
    network = torch.nn.Linear(3, 2)
    images: dict[str, Tensor] = {"random": torch.zeros(5, 3)}
    assert compare(network, lambda x: network(x) + 1e-6, images).difference == pytest.approx(1e-6, rel=0.2)
    with pytest.raises(UserError, match=r"differs from torch's by .* on random images at batch 1"):
        compare(network, lambda x: wrong(network(x)), images)


@pytest.mark.slow
def test_one_form_is_named_or_both(tmp_path: Path, alexc: Alexc, run: RunFolder) -> None:
    none = alexc("export", run.path)
    assert none.returncode == 2
    assert "name one, or both" in none.stderr
    named = alexc("export", run.path, "--onnx", "--torch-export", "-o", "a.onnx")
    assert named.returncode == 2
    assert "two are asked for" in named.stderr
    (tmp_path / "run.pt2").write_text("mine")
    taken = alexc("export", run.path, "--onnx", "--torch-export")
    assert (taken.returncode, taken.stdout) == (1, "")
    assert taken.stderr.startswith("error: run.pt2 is already there")
    assert [each.name for each in tmp_path.glob("run.*")] == ["run.pt2"]
    (tmp_path / "run.pt2").unlink()
    both = alexc("export", run.path, "--onnx", "--torch-export")
    assert both.returncode == 0, both.stderr
    written = [line.split()[0] for line in both.stdout.splitlines() if " written: " in line]
    assert written == ["run.onnx", "run.pt2"] == sorted(each.name for each in tmp_path.glob("run.*"))


@pytest.mark.slow
def test_weights_that_no_epoch_has_tested_are_told(tmp_path: Path, alexc: Alexc) -> None:
    run_to(options(write_network(tmp_path), make_store(tmp_path), tmp_path / "run"), steps=2)
    for command in (("weights", "export", "run"), ("export", "run", "--torch-export")):
        result = alexc(*command)
        assert result.returncode == 0, result.stderr
        assert "parameters, the newest weights: no epoch has ended yet" in result.stdout


def test_a_checkpoint_of_a_run_is_a_source_like_the_run(tmp_path: Path, run: RunFolder) -> None:
    subject = subject_of(run.last, None, NOTHING_SAID)
    assert set(subject.images) == {"random", "validation"}
    saved = load_checkpoint(run.last)["weights"]
    assert all(torch.equal(tensor, saved[name]) for name, tensor in subject.network.state_dict().items())
    with pytest.raises(UserError, match="is a checkpoint of a run, which has its weights: --weights goes with"):
        load_classifier(run.last, run.best, NOTHING_SAID, CPU)


def test_a_network_file_predicts_with_the_weights_of_a_run_as_the_run_does(tmp_path: Path, run: RunFolder) -> None:
    image = tmp_path / "photo.png"
    Image.fromarray(np.random.default_rng(8).integers(0, 256, (40, 24, 3), np.uint8)).save(image)
    expected = predict(load_trained_network(run.path, CPU), image)
    for weights in (run.path, run.best):
        assert predict(load_classifier(run.network, weights, NOTHING_SAID, CPU), image) == expected
