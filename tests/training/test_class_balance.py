"""Weights of classes in the loss and the weighted sampler: by torch's formulas, on every mesh, and resumed."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from alexc.compiler.files.pytorch import write_pytorch
from alexc.compiler.pipeline import check_text
from alexc.runtime.data.store import Store, open_store
from alexc.runtime.errors import UserError
from alexc.runtime.recipes import BinaryCrossEntropy, CrossEntropy
from alexc.runtime.runs.checkpoint import load_checkpoint, save_checkpoint
from alexc.runtime.training.class_balance import BALANCED, class_weights_of, drawn_images
from alexc.runtime.training.heads import cross_entropy_of_heads
from alexc.runtime.training.set_up import set_up
from tests.support import tiny_training as tiny
from tests.support.ranks import run_ranks
from tests.training.test_ranks import train_as_rank

SPEC = """
network Balanced {
  input 3x16x16
  f: avgpool 4 -> linear 6 -> relu -> linear 4 -> softmax
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
  prepare   resize 24 -> center_crop 20 -> normalize
  augment   random_crop 16 -> mirror
  test      ten_crop 16
  loss      cross_entropy smoothing=0.1
  optimizer sgd lr=0.1 momentum=0.5
  schedule  constant
  batch     8
  epochs    2
}
"""
CHANGES: dict[str, Any] = {"class_weights": BALANCED, "sampler": "weighted", "accumulate": 2}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a store, and the network for one process and for each placement."""
    home = tmp_path_factory.mktemp("balance")
    tiny.make_store(home)
    checked = check_text(SPEC, "balanced.net")
    assert checked.graph is not None, checked.diagnostics
    for name in ("one", "copies", "shares"):
        (home / f"{name}.py").write_text(write_pytorch(checked.graph, "balanced.net", checked.placed.get(name)))
    return home


@pytest.fixture(scope="module")
def store(home: Path) -> Store:
    """18 training images of the first class, 8 of the second."""
    store = open_store(home / "store")
    return replace(store, classes=("many", "few"), train=store.train.relabelled(np.array([0, 0, 1])))


def test_the_weighted_loss_is_that_of_torch_whatever_the_parts() -> None:
    logits, weights = torch.randn(7, 4, dtype=torch.float64), torch.tensor([0.5, 1.0, 3.0, 2.0])
    labels = torch.tensor([0, 1, 2, 3, 2, 0, -100])
    expected = F.cross_entropy(logits, labels, weights.double(), label_smoothing=0.1)
    total = float(weights[labels[:-1]].sum())
    parts = [
        cross_entropy_of_heads(nn.Identity(), (logits[rows],), labels[rows], total, 0.1, weights)
        for rows in (slice(0, 3), slice(3, 4), slice(4, 7))
    ]
    torch.testing.assert_close(torch.stack(parts).sum(), expected, rtol=1e-13, atol=0)


def test_balanced_weights_are_those_of_scikit_learn(store: Store) -> None:
    weights = class_weights_of(BALANCED, None, store, CrossEntropy())
    counts = np.bincount(store.train.labels)
    assert weights is not None
    assert weights == tuple(len(store.train) / (2 * counts))
    assert np.dot(weights, counts) == pytest.approx(len(store.train))
    assert class_weights_of(None, {"class_weights": [1.0, 2.0]}, store, CrossEntropy()) == (1.0, 2.0)
    assert class_weights_of(None, {}, store, CrossEntropy()) is None


def test_a_file_has_a_weight_for_each_class(tmp_path: Path, store: Store) -> None:
    path = tmp_path / "weights.csv"
    path.write_text("class,weight\nfew,3\nmany,0.5\n")
    assert class_weights_of(path, None, store, CrossEntropy()) == (0.5, 3.0)
    for text, said in (
        ("", "weights.csv:1: expected the first line `class,weight`"),
        ("few,3\n", "weights.csv:1: expected the first line `class,weight`"),
        ("class,weight\nfew,3\n", "weights.csv has no weight for many"),
        ("class,weight\nfew,3\nfew,3\n", "weights.csv:3: expected a class of the images, named once, and a weight"),
        ("class,weight\nno,3\n", "weights.csv:2: expected a class"),
        ("class,weight\nfew,0\n", "weights.csv:2: expected a class of the images, named once, and a weight above 0"),
        ("class,weight\nfew,nan\n", "as in `many,1.5`"),
        ("class,weight\nfew\n", "weights.csv:2: expected a class"),
    ):
        path.write_text(text)
        with pytest.raises(UserError) as error:
            class_weights_of(path, None, store, CrossEntropy())
        assert said in str(error.value)
    with pytest.raises(UserError, match=r"nothing\.csv cannot be read: No such file"):
        class_weights_of(tmp_path / "nothing.csv", None, store, CrossEntropy())
    with pytest.raises(UserError, match="--class-weights: only the loss cross_entropy has weights"):
        class_weights_of(BALANCED, None, store, BinaryCrossEntropy())


def test_the_weighted_sampler_draws_every_class_equally_often(store: Store) -> None:
    labels, images, drawn = np.asarray(store.train.labels), Counter[int](), np.zeros(0, np.int64)
    for epoch in range(400):
        drawn = drawn_images(store.train, 2, seed=3, epoch=epoch)
        assert len(drawn) == len(store.train)
        images.update(drawn.tolist())
    assert np.array_equal(drawn, drawn_images(store.train, 2, seed=3, epoch=399))
    assert not np.array_equal(drawn, drawn_images(store.train, 2, seed=4, epoch=399))
    total = 400 * len(store.train)
    for label, share in ((0, 0.5 / 18), (1, 0.5 / 8)):
        for image in np.flatnonzero(labels == label).tolist():
            deviation = (total * share * (1 - share)) ** 0.5
            assert abs(images[image] - total * share) < 5 * deviation


def test_each_draw_of_an_image_has_a_view_and_a_weight_of_its_own(home: Path, tmp_path: Path) -> None:
    asked = tiny.options(home / "one.py", home / "store", tmp_path / "run", **CHANGES)
    with set_up(asked) as trainer:
        drawn = drawn_images(trainer.data.store.train, 3, 0, 0)
        repeated = next(image for image, times in Counter(drawn.tolist()).items() if times > 1)
        views = []
        seen: list[int] = []
        for images, parts in trainer._remaining_batches():
            batches = [(part.images.clone(), part.labels.clone(), part.weight) for part, _ in parts]
            labels = torch.cat([labels for _, labels, _ in batches])
            weights = np.asarray(trainer.data.class_weights)[labels.numpy()]
            assert images == len(labels)
            assert all(weight == pytest.approx(float(weights.sum()), rel=1e-6) for _, _, weight in batches)
            views += list(torch.cat([rows for rows, _, _ in batches]))
            seen += labels.tolist()
        assert seen == trainer.data.store.train.labels[drawn].tolist()
        same = [view for image, view in zip(drawn.tolist(), views, strict=True) if image == repeated]
        assert not all(torch.equal(same[0], view) for view in same[1:])


def test_a_resumed_training_is_the_same_without_the_options(home: Path, tmp_path: Path) -> None:
    weights = tmp_path / "weights.csv"
    weights.write_text("class,weight\nred,1\ngreen,2\nblue,3\n")
    changes = {**CHANGES, "class_weights": weights}
    tiny.run_to(tiny.options(home / "one.py", home / "store", tmp_path / "whole", **changes))
    tiny.run_to(tiny.options(home / "one.py", home / "store", tmp_path / "parts", **changes), steps=3)
    weights.unlink()
    record = json.loads((tmp_path / "parts" / "run.json").read_text())
    assert (record["class_weights"], record["sampler"]) == ([3.0, 2.0, 1.0], "weighted")
    tiny.run_to(tiny.options(home / "one.py", home / "store", tmp_path / "parts", resume=True))
    tiny.assert_same_run(tmp_path / "whole", tmp_path / "parts")
    plain = tiny.run_to(tiny.options(home / "one.py", home / "store", tmp_path / "plain", accumulate=2))
    assert tiny.metrics(plain.path) != tiny.metrics(tmp_path / "whole")
    others: tuple[tuple[dict[str, Any], str], ...] = (
        ({"class_weights": BALANCED}, "--class-weights: .* was begun with other weights of the classes"),
        ({"sampler": "random"}, "--sampler random: .* was begun with sampler weighted; leave the option out"),
    )
    for other, said in others:
        with pytest.raises(UserError, match=said):
            tiny.run_to(tiny.options(home / "one.py", home / "store", tmp_path / "parts", resume=True, **other))


def test_a_checkpoint_of_an_earlier_alexc_has_no_weights_and_the_random_sampler(home: Path, tmp_path: Path) -> None:
    tiny.run_to(tiny.options(home / "one.py", home / "store", tmp_path / "run"), steps=2)
    saved = load_checkpoint(tmp_path / "run" / "last.pt")
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    for name in ("class_weights", "sampler"):
        del saved[name], record[name]
    save_checkpoint(tmp_path / "run" / "last.pt", saved)
    (tmp_path / "run" / "run.json").write_text(json.dumps(record))
    tiny.run_to(tiny.options(home / "one.py", home / "store", tmp_path / "run", resume=True), steps=3)
    with pytest.raises(UserError, match=r"--sampler weighted: .* was begun with sampler random"):
        tiny.run_to(tiny.options(home / "one.py", home / "store", tmp_path / "run", resume=True, sampler="weighted"))


@pytest.mark.slow  # other processes
@pytest.mark.parametrize("placement", ["copies", "shares"])
def test_on_two_ranks_it_trains_as_one_process_does(home: Path, tmp_path: Path, placement: str) -> None:
    changes = {**CHANGES, "epochs": 1}
    whole = tiny.run_to(tiny.options(home / "one.py", home / "store", tmp_path / "whole", **changes))
    run_ranks(2, train_as_rank, home / f"{placement}.py", home / "store", tmp_path / "placed", None, changes)
    for here, there in zip(tiny.metrics(tmp_path / "placed"), tiny.metrics(whole.path), strict=True):
        for name, value in there.items():
            assert here[name] == (pytest.approx(value, rel=1e-5) if isinstance(value, float) else value), name
