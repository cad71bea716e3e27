"""Recipes beyond the paper: each part against torch's own, and whole trainings with it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torchvision.transforms import functional as v1  # type: ignore[import-untyped]

from alexc.compiler.files.pytorch import write_pytorch
from alexc.compiler.net.spec_text import recipe_texts
from alexc.compiler.pipeline import check_text
from alexc.runtime import recipes
from alexc.runtime.augmentations.view import View
from alexc.runtime.data.dataset_statistics import statistics_of
from alexc.runtime.data.recipe_images import renderer_of
from alexc.runtime.data.store import open_store
from alexc.runtime.errors import UserError
from alexc.runtime.evaluation.run_evaluation import evaluate_run
from alexc.runtime.evaluation.trained_network import load_trained_network
from alexc.runtime.network_file import load_network_file
from alexc.runtime.parallel.rank import alone
from alexc.runtime.runs.epoch_metrics import EpochMetrics
from alexc.runtime.training.averaged_weights import AveragedWeights
from alexc.runtime.training.clipping import clip_gradients
from alexc.runtime.training.early_stopping import EarlyStopping
from alexc.runtime.training.precision import LossScale
from tests.support import tiny_training as tiny

SGD = "optimizer=SGD(lr=0.02, momentum=0.9, weight_decay=0.0005),"
EXTRAS: dict[str, tuple[Any, ...]] = {
    "adam": ("optimizer=Adam(lr=0.01),", ""),
    "adamw": ("optimizer=AdamW(lr=0.01, weight_decay=0.1),", ""),
    "clipped": (SGD, "gradients=(ClipValue(0.5), ClipNorm(0.1)),"),
    "bf16": (SGD, "precision=BFloat16(),"),
    "averaged": (SGD, "average=MovingAverage(0.8),"),
    "windows": (
        SGD,
        "",
        ('Subtract("mean_image")', "Normalize()"),
        (
            "(RandomCrop(16), Mirror(), PCAColor(0.1))",
            "(RandomResizedCrop(16), Mirror(), ColorJitter(0.4, 0.4, 0.4, 0.1), PCAColor(0.1), Cutout(6))",
        ),
        ("TenCrop(16)", "GridCrop(16, steps=2)"),
        ("self.conv(x / 64)", "self.conv(x)"),
    ),
    "all": (
        "optimizer=AdamW(lr=0.01),",
        "gradients=(ClipNorm(1.0),), precision=BFloat16(), average=MovingAverage(0.5), "
        'stop=Stalled(of="val_loss", patience=50),',
    ),
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recipes")
    tiny.make_store(folder)
    return folder


def network(folder: Path, optimizer: str, more: str, *edits: tuple[str, str]) -> Path:
    return tiny.write_network(folder, (SGD, optimizer), ("    batch=8,", f"    {more} batch=8,"), *edits)


@pytest.mark.slow
@pytest.mark.parametrize("name", EXTRAS)
def test_a_training_stopped_and_resumed_is_the_same_bit_for_bit(home: Path, tmp_path: Path, name: str) -> None:
    path = network(tmp_path, *EXTRAS[name])
    tiny.run_to(tiny.options(path, home / "store", tmp_path / "whole"))
    for step in (2, 7, None):  # within the first epoch, within the second, to the end
        begun = (tmp_path / "stopped").exists()
        tiny.run_to(tiny.options(path, home / "store", tmp_path / "stopped", resume=begun), steps=step)
    tiny.assert_same_run(tmp_path / "stopped", tmp_path / "whole")
    losses = [each["loss"] for each in tiny.metrics(tmp_path / "whole") if each["kind"] == "step"]
    assert all(math.isfinite(loss) for loss in losses)


@pytest.mark.slow
def test_every_extra_changes_the_weights(home: Path, tmp_path: Path) -> None:
    found = []
    with_plain: dict[str, tuple[Any, ...]] = EXTRAS | {"plain": (SGD, "")}
    for name, changes in with_plain.items():
        path = network(tmp_path, *changes)
        run = tiny.run_to(tiny.options(path, home / "store", tmp_path / name, epochs=1)).path
        found.append(tiny.checkpoint(run / "best.pt")["weights"]["fc.weight"])
    assert all(not torch.equal(one, other) for i, one in enumerate(found) for other in found[:i])


def test_the_average_is_what_is_validated_kept_and_evaluated(home: Path, tmp_path: Path) -> None:
    path = network(tmp_path, SGD, "average=MovingAverage(0.8),")
    run = tiny.run_to(tiny.options(path, home / "store", tmp_path / "run", epochs=1)).path
    last, best = tiny.checkpoint(run / "last.pt"), tiny.checkpoint(run / "best.pt")
    assert all(torch.equal(value, best["weights"][name]) for name, value in last["average"].items())
    assert not torch.equal(last["weights"]["fc.weight"], best["weights"]["fc.weight"])
    trained = load_trained_network(run, torch.device("cpu")).network
    assert torch.equal(trained.state_dict()["fc.weight"], last["average"]["fc.weight"])


def test_the_average_equals_torch() -> None:
    here = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    ours = AveragedWeights(here, 0.7)
    average = get_ema_multi_avg_fn(0.7)  # type: ignore[no-untyped-call]
    theirs = AveragedModel(here, multi_avg_fn=average, use_buffers=True)
    theirs.update_parameters(here)  # torch copies the weights in the first call, ours in the constructor
    generator = torch.Generator().manual_seed(1)
    for _ in range(4):
        with torch.no_grad():
            for weight in here.parameters():
                weight.add_(torch.randn(weight.shape, generator=generator))
            here(torch.randn(8, 3, generator=generator))
        ours.update()
        theirs.update_parameters(here)
    for name, value in theirs.module.state_dict().items():
        if value.is_floating_point():
            torch.testing.assert_close(ours.state_dict()[name], value)
    plain = {name: value.clone() for name, value in here.state_dict().items()}
    with ours.in_network():
        torch.testing.assert_close(here[0].weight, theirs.module[0].weight)  # type: ignore[index]
    assert all(torch.equal(value, plain[name]) for name, value in here.state_dict().items())


@pytest.mark.parametrize("largest", [0.1, 3.0, 1e6])
def test_clipping_equals_torch(largest: float) -> None:
    ours, theirs = nn.Linear(5, 7), nn.Linear(5, 7)
    for weight, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        weight.grad = torch.randn(weight.shape, generator=torch.Generator().manual_seed(2)) * 3
        other.grad = weight.grad.clone()
    clip_gradients(ours, (recipes.ClipNorm(largest), recipes.ClipValue(largest / 4)), alone())
    nn.utils.clip_grad_norm_(theirs.parameters(), largest)
    nn.utils.clip_grad_value_(theirs.parameters(), largest / 4)
    for weight, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(weight.grad, other.grad, rtol=1e-6, atol=0)


def test_the_loss_scale_equals_torch() -> None:
    """Compared with torch.amp.GradScaler over steps of which some overflow."""
    torchs, ours = torch.amp.GradScaler("cpu", 64.0, growth_interval=3), LossScale(recipes.Float16(64.0, 3))
    weight = nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight], 0.0)
    for spoilt in (False, False, True, False, False, False, True, True, False, False, False, False):
        torchs.scale(weight.sum())
        weight.grad = torch.full_like(weight, math.inf if spoilt else 1.0)
        torchs.unscale_(optimizer)
        torchs.step(optimizer)
        torchs.update()
        assert ours.skips(spoilt) is spoilt
        assert ours.scale == torchs.get_scale()
    assert ours.skipped == 3


def test_gradients_that_overflow_without_a_scale_are_not_skipped() -> None:
    scale = LossScale(recipes.Float16(2.0, growth=3))
    assert [scale.skips(True) for _ in range(2)] == [True, False]
    assert not LossScale(recipes.Float32()).skips(True)


@pytest.mark.slow
def test_steps_that_overflow_in_fp16_are_skipped_and_the_training_continues(home: Path, tmp_path: Path) -> None:
    path = network(tmp_path, SGD, "precision=Float16(scale=1073741824.0, growth=1000),")
    run = tiny.run_to(tiny.options(path, home / "store", tmp_path / "whole", epochs=40)).path
    saved = tiny.checkpoint(run / "last.pt")
    scale = saved["loss_scale"]
    assert scale["skipped"] > 3
    assert scale["scale"] == 2.0**30 / 2 ** scale["skipped"]
    assert not torch.equal(saved["weights"]["fc.weight"], load_network_file(path).build(0).state_dict()["fc.weight"])
    begun = tiny.options(path, home / "store", tmp_path / "stopped", epochs=40)
    tiny.run_to(begun, steps=2)  # while steps are still skipped
    tiny.run_to(tiny.options(path, home / "store", tmp_path / "stopped", epochs=40, resume=True))
    tiny.assert_same_run(tmp_path / "stopped", tmp_path / "whole")


def metrics(val_error: float) -> EpochMetrics:
    return EpochMetrics(1.0, val_error, 1.0, val_error, 0.0)


def test_a_stalled_metric_ends_the_training() -> None:
    end = EarlyStopping(recipes.Stalled("val_error", patience=2, least=0.05))
    notes = [end.after_epoch(metrics(error)) for error in (0.9, 0.8, 0.76, 0.7, 0.69, math.nan)]
    assert notes[:5] == [None] * 5
    assert notes[5] == "val_error has not improved for 2 epochs (best 0.7): training ends"
    assert end.ended
    again = EarlyStopping(recipes.Stalled("val_error", patience=2, least=0.05))
    again.load_state_dict(end.state_dict())
    assert again.ended


def test_a_metric_that_is_reached_ends_the_training(home: Path, tmp_path: Path) -> None:
    end = EarlyStopping(recipes.Reached("train_error", 0.25))
    assert end.after_epoch(metrics(0.26)) is None
    assert end.after_epoch(metrics(0.25)) == "train_error has reached 0.25: training ends"
    path = network(tmp_path, SGD, 'stop=Reached(of="val_loss", value=100.0),')
    run = tiny.run_to(tiny.options(path, home / "store", tmp_path / "run")).path
    assert tiny.checkpoint(run / "last.pt")["state"]["epoch"] == 1
    assert [each["kind"] for each in tiny.metrics(run)][-2:] == ["note", "finished"]


SPEC = """
network Tiny {
  input 3x16x16
  fc: linear 4 -> softmax
}

train {
  prepare   resize 20 -> center_crop 20 -> subtract mean_image
  test      center 16
  loss      cross_entropy
  optimizer adamw lr=0.001 beta2=0.98
  schedule  cosine warmup=1
  gradients clip_value 2 -> clip_norm 1
  precision fp16 scale=1024
  average   ema decay=0.99
  stop      reached of=train_error value=0.25
  batch     8
  epochs    3
}
"""


def test_the_compiled_file_holds_every_part_of_the_recipe(tmp_path: Path) -> None:
    checked = check_text(SPEC, "tiny.net")
    assert checked.graph is not None, checked.diagnostics
    path = tmp_path / "tiny.py"
    path.write_text(write_pytorch(checked.graph, "tiny.net"))
    assert load_network_file(path).recipe == recipes.Recipe(
        prepare=(recipes.Resize(20), recipes.CenterCrop(20), recipes.Subtract("mean_image")),
        augment=(),
        test=recipes.CenterView(16),
        loss=recipes.CrossEntropy(),
        optimizer=recipes.AdamW(0.001, beta2=0.98),
        schedule=recipes.CosineRate(warmup=1.0),
        batch=8,
        epochs=3,
        gradients=(recipes.ClipValue(2.0), recipes.ClipNorm(1.0)),
        precision=recipes.Float16(scale=1024.0),
        average=recipes.MovingAverage(0.99),
        stop=recipes.Reached("train_error", 0.25),
    )


def test_gradients_of_a_scaled_loss_are_scaled_back(home: Path, tmp_path: Path) -> None:
    ends = []
    for scale in ("1.0", "1024.0"):
        path = network(tmp_path, SGD, f"precision=Float16(scale={scale}, growth=1000),")
        run = tiny.run_to(tiny.options(path, home / "store", tmp_path / scale, epochs=1)).path
        saved = tiny.checkpoint(run / "last.pt")
        assert saved["loss_scale"]["skipped"] == 0
        ends.append(saved["weights"])
    for name, value in ends[0].items():
        torch.testing.assert_close(ends[1][name], value, rtol=0.01, atol=2e-3)


@pytest.mark.parametrize(
    "how", ["Normalize(std=(0.2, 0.3, 0.4))", 'Subtract("mean_color")', 'Subtract("mean_image", window="center")']
)
def test_images_are_prepared_as_the_recipe_says(home: Path, tmp_path: Path, how: str) -> None:
    file = load_network_file(network(tmp_path, SGD, "", ('Subtract("mean_image")', how)))
    store = open_store(home / "store")
    shown = np.empty((tiny.SIZE, tiny.SIZE, 3), np.float32)
    renderer_of(file, statistics_of(store)).render(store.train.image(5), View(1, 3), shown)
    pixels = store.train.image(5)[1 : 1 + tiny.SIZE, 3 : 3 + tiny.SIZE].astype(np.float64)
    if "std" in how:
        expected = (pixels / 255 - [0.485, 0.456, 0.406]) / [0.2, 0.3, 0.4]
    else:
        images = [store.train.image(index).astype(np.float64) for index in range(len(store.train))]
        mean = np.mean(images, axis=0)
        expected = pixels - (mean[2:18, 2:18] if "center" in how else mean.mean((0, 1)))
    np.testing.assert_allclose(shown, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("precision", ["BFloat16()", "Float16(scale=1.0)"])
def test_the_loss_is_taken_in_float32(home: Path, tmp_path: Path, precision: str) -> None:
    """A loss that was computed in 16 bits would be a number of float16 or bfloat16."""
    path = network(tmp_path, SGD, f"precision={precision},")
    run = tiny.run_to(tiny.options(path, home / "store", tmp_path / "run", epochs=1)).path
    losses = torch.tensor([each["loss"] for each in tiny.metrics(run) if each["kind"] == "step"])
    for short in (torch.float16, torch.bfloat16):
        assert (losses.to(short).float() != losses).all()


def test_a_loss_that_is_not_finite_stops_a_training_in_fp16_too(home: Path, tmp_path: Path) -> None:
    nan = ("self.conv(x / 64)", "self.conv(x / 64) * (torch.nan if self.training else 1)")
    path = network(tmp_path, SGD, "precision=Float16(),", nan)
    with pytest.raises(UserError, match="the loss is nan at step 1 "):
        tiny.run_to(tiny.options(path, home / "store", tmp_path / "run"))


def test_a_scaled_window_of_a_mean_image_is_refused(home: Path, tmp_path: Path) -> None:
    path = network(tmp_path, SGD, "", ("RandomCrop(16)", "RandomResizedCrop(16)"))
    with pytest.raises(UserError, match="a mean image does not fit"):
        tiny.run_to(tiny.options(path, home / "store", tmp_path / "run"))


SCALED = """network Net {
  input 3x16x16
  conv1: conv 4 kernel=3 pad=1 -> relu -> maxpool 2
  fc2: linear 4 -> softmax
}

train {
  prepare   resize 24 -> center_crop 20 -> subtract mean_color
  augment   random_crop 16
  test      scaled_crops 16 sizes=pixels(16, 20, 28)
  loss      cross_entropy
  optimizer sgd lr=0.001
  schedule  constant
  batch     8
  epochs    1
}
"""


def test_scaled_crops_are_compiled_and_averaged(home: Path, tmp_path: Path) -> None:
    """From the spec to an evaluation: the loss equals that of thirty windows cut by torchvision and scaled by PIL."""
    checked = check_text(SCALED, "net.net")
    assert checked.graph is not None, checked.diagnostics
    assert checked.graph.net.recipe is not None
    assert recipe_texts(checked.graph.net.recipe)["test"] == "scaled_crops 16 sizes=pixels(16, 20, 28)"
    path = tmp_path / "net.py"
    path.write_text(write_pytorch(checked.graph, "net.net"))
    run = tiny.run_to(tiny.options(path, home / "store", tmp_path / "run"))
    trained = load_trained_network(run.path, torch.device("cpu"))
    scores = evaluate_run(trained, home / "store", 64).scores["30 crops"]
    store = open_store(home / "store")
    color = torch.from_numpy(store.mean_image.mean(axis=(0, 1))).view(3, 1, 1)
    losses = []
    for index, label in enumerate(store.val.labels.tolist()):
        image = Image.fromarray(store.val.image(index))
        crops = [
            window.resize((16, 16), Image.Resampling.BILINEAR)
            for side in (20, 16, 11)  # round(16 * 20 / size)
            for window in v1.five_crop(image, side)  # pyright: ignore[reportArgumentType] - it takes images
        ]
        crops += [v1.hflip(crop) for crop in crops]
        shown = torch.stack([(v1.pil_to_tensor(crop) - color).float() for crop in crops])
        assert len(shown) == 30
        with torch.no_grad():
            losses.append(-float(trained.network(shown).softmax(1).mean(0)[label].log()))
    assert scores.loss == pytest.approx(np.mean(losses), rel=1e-4)


@pytest.mark.parametrize("sizes", ["(15, 20)", "(20, 20)", "()"])
def test_scaled_crops_of_wrong_sizes_are_refused(home: Path, tmp_path: Path, sizes: str) -> None:
    """In a network file that was written by hand."""
    edits = (("TenCrop(16)", f"ScaledCrops(16, {sizes})"), ("mean_image", "mean_color"))
    path = tiny.write_network(tmp_path, *edits)
    with pytest.raises(UserError, match="expected different sizes, of at least the 16 pixels of a crop"):
        tiny.run_to(tiny.options(path, home / "store", tmp_path / "run"))
    path = tiny.write_network(tmp_path, ("TenCrop(16)", "ScaledCrops(16, (16, 20))"))
    with pytest.raises(UserError, match="a mean image does not fit the windows that ScaledCrops scales"):
        tiny.run_to(tiny.options(path, home / "store", tmp_path / "run"))
