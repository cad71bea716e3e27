"""Training on images with several labels: from a spec and a label file to the evaluation."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from alexc.compiler.files.pytorch import write_pytorch
from alexc.compiler.pipeline import check_text
from alexc.runtime.data.prepare import prepare
from alexc.runtime.data.store import Geometry
from alexc.runtime.errors import UserError
from alexc.runtime.evaluation.prediction import predict
from alexc.runtime.evaluation.run_evaluation import evaluate_run, evaluation_csv, evaluation_json, evaluation_text
from alexc.runtime.evaluation.trained_network import load_trained_network
from tests.support import tiny_training as tiny
from tests.support.ranks import run_ranks
from tests.training.test_ranks import train_as_rank

COLORS = ("blue", "green", "red")
SPEC = """
network Tags {
  input 3x16x16
  f: avgpool 16 -> linear 4 -> sigmoid
}
placement copies {
  mesh  copy=2
  split images by copy
}
placement shares {
  mesh  gpu=2
  split channels by gpu
}
train {
  prepare   resize 18 -> center_crop 18 -> normalize
  augment   random_crop 16 -> mirror
  test      ten_crop 16
  loss      LOSS
  optimizer sgd lr=RATE momentum=0.5
  schedule  constant
  batch     16
  epochs    12
}
"""

pytestmark = pytest.mark.slow


def network(folder: Path, loss: str, rate: float = 0.5, placement: str = "") -> Path:
    checked = check_text(SPEC.replace("LOSS", loss).replace("RATE", str(rate)), "tags.net")
    assert checked.graph is not None, checked.diagnostics
    path = folder / f"{loss.split()[0]}{placement}.py"
    path.write_text(write_pytorch(checked.graph, "tags.net", checked.placed.get(placement)))
    return path


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images with a tint of red, green and blue each, or without; 100 to train and 20 to validate."""
    home, rng = tmp_path_factory.mktemp("tags"), np.random.default_rng(0)
    images = home / "images"
    images.mkdir()
    lines = ["file\tlabels\tsplit"]
    for number in range(120):
        labels = [color for color in COLORS if rng.random() < 0.4]
        pixels = rng.integers(0, 80, (18, 18, 3), dtype=np.uint8)
        pixels[..., [2 - COLORS.index(color) for color in labels]] += 150
        Image.fromarray(pixels).save(images / f"{number}.png")
        lines.append(f"{number}.png\t{' '.join(labels)}\t{'train' if number < 100 else 'val'}")
    (images / "labels.tsv").write_text("\n".join(lines))
    return prepare(images, home / "store", Geometry(18, 18), workers=1).path


@pytest.mark.parametrize(("loss", "rate"), [("binary_cross_entropy", 0.5), ("log_square", 2.0), ("square", 1.0)])
def test_a_training_on_several_labels_learns(tmp_path: Path, store: Path, loss: str, rate: float) -> None:
    run = tiny.run_to(tiny.options(network(tmp_path, loss, rate), store, tmp_path / "run"))
    epochs = [record for record in tiny.metrics(run.path) if record["kind"] == "epoch"]
    assert epochs[-1]["train_loss"] < 0.5 * epochs[0]["train_loss"]
    assert epochs[-1]["val_loss"] < 0.5 * epochs[0]["val_loss"]
    trained = load_trained_network(run.path, torch.device("cpu"))
    found = evaluate_run(trained, None, rows=64)
    scores = found.main
    assert scores.top1_error < 0.2
    said = json.loads(evaluation_json(found))
    assert said["views"]["10 crops"]["precision"] > 0.8
    assert said["views"]["10 crops"]["recall"] > 0.8
    assert {row["label"] for row in said["worst_labels"]} == set(COLORS)
    assert {row["class"]: row["recall"] for row in said["per_class"]} == {
        row["label"]: row["recall"] for row in said["worst_labels"]
    }
    assert evaluation_csv(found).splitlines()[0] == "class,support,precision,recall"
    assert "labels with a score of 0.5 or more" in evaluation_text(found)
    best = predict(trained, store.parent / "images" / "0.png")[0]
    assert best.name in COLORS
    assert 0.5 < best.probability < 1.5


def test_a_resumed_training_on_several_labels_has_the_same_numbers(tmp_path: Path, store: Path) -> None:
    file = network(tmp_path, "binary_cross_entropy")
    tiny.run_to(tiny.options(file, store, tmp_path / "whole", epochs=2))
    tiny.run_to(tiny.options(file, store, tmp_path / "parts", epochs=2), steps=4)
    tiny.run_to(tiny.options(file, store, tmp_path / "parts", resume=True, epochs=2))
    tiny.assert_same_run(tmp_path / "whole", tmp_path / "parts")


@pytest.mark.parametrize("placement", ["copies", "shares"])
def test_on_two_ranks_it_trains_as_one_process_does(tmp_path: Path, store: Path, placement: str) -> None:
    whole = tiny.run_to(tiny.options(network(tmp_path, "log_square"), store, tmp_path / "whole", epochs=1))
    placed = network(tmp_path, "log_square", placement=placement)
    run_ranks(2, train_as_rank, placed, store, tmp_path / "placed", None, {"epochs": 1})
    for here, there in zip(tiny.metrics(tmp_path / "placed"), tiny.metrics(whole.path), strict=True):
        for name, value in there.items():
            assert here[name] == (pytest.approx(value, rel=1e-5) if isinstance(value, float) else value), name


def test_a_loss_of_classes_refuses_several_labels(tmp_path: Path, store: Path) -> None:
    file = network(tmp_path, "square")
    file.write_text(file.read_text().replace("Square", "CrossEntropy"))
    with pytest.raises(UserError, match="has several labels per image, but the loss of Tags is cross_entropy"):
        tiny.run_to(tiny.options(file, store, tmp_path / "run"))


def test_a_loss_of_labels_trains_on_classes_too(tmp_path: Path) -> None:
    classes = tiny.make_store(tmp_path)
    file = network(tmp_path, "binary_cross_entropy")
    file.write_text(file.read_text().replace("Resize(18), CenterCrop(18)", "Resize(24), CenterCrop(20)"))
    run = tiny.run_to(tiny.options(file, classes, tmp_path / "run", epochs=1))
    found = evaluate_run(load_trained_network(run.path, torch.device("cpu")), None, rows=64)
    assert found.main.images == tiny.VAL_IMAGES
