"""A training small enough for tests: a hand-written network, a few images, and comparisons of runs."""

from __future__ import annotations

import json
import shlex
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from PIL import Image

from alexc.runtime.data.prepare import prepare
from alexc.runtime.data.store import Geometry
from alexc.runtime.parallel.rank import Rank
from alexc.runtime.runs.checkpoint import load_checkpoint
from alexc.runtime.runs.run_folder import RunFolder
from alexc.runtime.training.options import TrainOptions
from alexc.runtime.training.set_up import set_up
from alexc.runtime.training.trainer import Stopped

STORED, SIZE, CLASSES = 20, 16, ("blue", "green", "red")
TRAIN_IMAGES, VAL_IMAGES, BATCH, EPOCHS = 26, 9, 8, 3
STEPS_PER_EPOCH = 4  # the last batch has two images
TIMING = ("seconds", "images_per_second")

NETWORK = '''\
"""Hand-written: layers with random draws or running statistics, and both kinds of dropout."""

import torch
from torch import Tensor, nn

from alexc.runtime.layers.dropout import Dropout
from alexc.runtime.augmentations.color_jitter import ColorJitter
from alexc.runtime.augmentations.cutout import Cutout
from alexc.runtime.augmentations.mirror import Mirror
from alexc.runtime.augmentations.pca_color import PCAColor
from alexc.runtime.augmentations.random_crop import RandomCrop
from alexc.runtime.augmentations.random_resized_crop import RandomResizedCrop
from alexc.runtime.recipes import *


class Tiny(nn.Module):
    input_shape = (3, 16, 16)

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 5)
        self.norm = nn.BatchNorm2d(6)
        self.drop = Dropout(0.5, scale="test")
        self.torchs_drop = nn.Dropout(0.2)
        self.fc = nn.Linear(216, 4)

    def reset_parameters(self, seed: int) -> None:
        torch.manual_seed(seed)
        for layer in (self.conv, self.norm, self.fc):
            layer.reset_parameters()

    def forward(self, x: Tensor) -> Tensor:
        x = nn.functional.max_pool2d(self.norm(self.conv(x / 64)).relu(), 2)
        return self.fc(self.torchs_drop(self.drop(x.flatten(1))))


RECIPE = Recipe(
    prepare=(Resize(24), CenterCrop(20), Subtract("mean_image")),
    augment=(RandomCrop(16), Mirror(), PCAColor(0.1)),
    test=TenCrop(16),
    loss=CrossEntropy(),
    optimizer=SGD(lr=0.02, momentum=0.9, weight_decay=0.0005),
    schedule=Plateau(of="val_loss", divide=2.0, times=3, patience=1, least=10.0),
    batch=8,
    epochs=3,
)
'''


def write_network(folder: Path, *edits: tuple[str, str], name: str = "tiny.py") -> Path:
    """Write the network file with some text replaced."""
    text = NETWORK
    for before, after in edits:
        assert before in text
        text = text.replace(before, after)
    path = folder / name
    path.write_text(text)
    return path


def make_images(folder: Path, classes: tuple[str, ...] = CLASSES, seed: int = 0) -> Path:
    """Write a folder of noisy images; the class of an image is its tint."""
    rng = np.random.default_rng(seed)
    for split, count in (("train", TRAIN_IMAGES), ("val", VAL_IMAGES)):
        for number in range(count):
            label = number % len(classes)
            pixels = rng.integers(0, 160, (30 + number, 40, 3), dtype=np.uint8)
            pixels[..., label % 3] += 40
            path = folder / split / classes[label] / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(path)
    return folder


def make_store(folder: Path, classes: tuple[str, ...] = CLASSES, seed: int = 0) -> Path:
    """Prepare a store of such images."""
    return prepare(make_images(folder / "images", classes, seed), folder / "store", Geometry(24, 20), workers=1).path


def options(
    network: Path,
    store: Path,
    run: Path,
    resume: Path | Literal["auto"] | bool = False,
    **changes: Any,  # noqa: ANN401
) -> TrainOptions:
    """The options of a training; `resume=True` resumes `run`."""
    plain = TrainOptions(
        network=network,
        data=store,
        out=run,
        resume=(run if resume else None) if isinstance(resume, bool) else resume,
        device="cpu",
        workers=1,
        command=("test",),
    )
    return replace(plain, **changes)


def run_to(asked: TrainOptions, steps: int | None = None, rank: Rank | None = None) -> RunFolder:
    """Train to the end, or up to a number of steps since the beginning."""
    with set_up(asked, rank) as trainer:
        with suppress(Stopped):
            trainer.train(lambda: False, steps)
        return trainer.run.folder


def metrics(run: Path) -> list[dict[str, Any]]:
    """The records without the times."""
    records = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in record.items() if name not in TIMING} for record in records]


def checkpoint(path: Path) -> dict[str, Any]:
    """A checkpoint without the seconds, and without the length of the file that holds them."""
    content = load_checkpoint(path)
    for name in ("seconds", "metrics_bytes"):
        content.get("state", {}).pop(name, None)
    return content


def assert_same_run(one: Path, other: Path) -> None:
    """The two runs are the same bit for bit: weights, optimiser, state, best weights and metrics."""
    for name in ("last.pt", "best.pt"):
        a, b = checkpoint(one / name), checkpoint(other / name)
        assert a.keys() == b.keys()
        for key, value in a.items():
            if key == "weights" or key == "average":
                assert value.keys() == b[key].keys()
                assert all(torch.equal(value[weight], b[key][weight]) for weight in value), name
            elif key == "optimizer":
                assert value.keys() == b[key].keys()
                for kind, tensors in value.items():
                    assert tensors.keys() == b[key][kind].keys()
                    assert all(torch.equal(tensors[weight], b[key][kind][weight]) for weight in tensors), name
            else:
                assert value == b[key], (name, key)
    assert metrics(one) == metrics(other)


def command_to_go_on(printed: str) -> list[str]:
    """The arguments of the `alexc` command at the end of a message."""
    program, *arguments = shlex.split(printed.partition("continue with: ")[2].splitlines()[0])
    assert program == "alexc"
    return arguments
