"""The networks that the tutorial trains, and a shipped recipe, learn from their first steps on."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from alexc import Net
from alexc.runtime.data.dataset_statistics import DatasetStatistics
from alexc.runtime.data.recipe_images import geometry_of, renderer_of
from alexc.runtime.data.synthetic_images import SHAPES, draw_image
from alexc.runtime.data.views import central_view
from alexc.runtime.network_file import load_network_file
from alexc.runtime.training.heads import cross_entropy_of_heads
from alexc.runtime.training.optimizer import optimizer_of
from tests.conftest import ROOT

SPECS = [
    pytest.param(text, id=path.stem)
    for path in [ROOT / "docs" / "tutorial.md"]
    for text in re.findall(r"^```net\s[^\n]*\n(.*?)^```$", path.read_text(encoding="utf-8"), re.M | re.S)
    if "\ntrain {" in text
]
STEPS = 12


@pytest.fixture(scope="module")
def images() -> NDArray[np.uint8]:
    """A small image of each class of the built-in data set, (10, 72, 72, 3)."""
    drawn = [draw_image("train", shape, number=0).convert("RGB").resize((72, 72)) for shape in SHAPES]
    return np.stack([np.asarray(each) for each in drawn])


@pytest.mark.parametrize("text", SPECS)
def test_the_loss_of_the_tutorials_training_falls(tmp_path: Path, images: NDArray[np.uint8], text: str) -> None:
    losses = list(islice(losses_of(tmp_path, images, text), STEPS))
    assert losses[0] == pytest.approx(math.log(10), abs=0.1)  # that of equal probabilities
    assert max(losses) < 2.5
    assert losses[-1] < 2.0, losses


SMALLER_SQUEEZENET = f"""network Smaller extends "{ROOT}/examples/squeezenet1_0.net" {{
  input 3x48x48
  conv1:  conv 64 kernel=3 stride=2                    -> relu -> maxpool
  conv10: conv 10 kernel=1 weight=normal(0, 0.01)      -> relu -> global_avgpool -> softmax
}}
train extends "{ROOT}/examples/squeezenet1_0.net" {{
  prepare resize 48 -> center_crop 48 -> normalize
  augment mirror
  test    center 48
}}
"""


@pytest.mark.slow
def test_the_loss_of_the_shipped_squeezenet_falls(tmp_path: Path, images: NDArray[np.uint8]) -> None:
    """The optimizer and the initial weights are the example's. From `kaiming`, all outputs become zero.

    The example's learning rate is that of batches of 512. With these ten images the loss jumps sooner or later,
    at a step that differs from processor to processor: what is shown is the way down before it.
    """
    losses: list[float] = []
    for loss in islice(losses_of(tmp_path, images, SMALLER_SQUEEZENET), 250):
        losses.append(loss)
        if loss < 2.1:
            break
    assert losses[0] == pytest.approx(math.log(10), abs=0.1)
    assert max(losses) < 2.4
    assert losses[-1] < 2.1, losses


def losses_of(folder: Path, images: NDArray[np.uint8], text: str) -> Iterator[float]:
    """The losses of one step after the other of the recipe in `text`, on one batch of images."""
    (folder / "network.net").write_text(text)
    (folder / "network.py").write_text(Net.from_file(folder / "network.net").python())
    file = load_network_file(folder / "network.py")
    geometry = geometry_of(file)
    stored = np.stack([np.asarray(Image.fromarray(each).resize(geometry.shape[:2])) for each in images])
    statistics = DatasetStatistics(tuple(SHAPES), geometry, stored.mean(0), np.ones(3), np.eye(3), "")
    renderer, view = renderer_of(file, statistics), central_view(geometry.crop, file.size)
    rendered = np.empty((len(images), *file.input_shape[1:], 3), np.float32)
    for image, pixels in zip(stored, rendered, strict=True):
        renderer.render(image, view, pixels)
    batch = torch.from_numpy(rendered).permute(0, 3, 1, 2)
    labels = torch.arange(len(SHAPES))
    network = file.build(seed=0)
    optimizer = optimizer_of(file.recipe.optimizer, network)
    while True:
        optimizer.zero_grad()
        loss = cross_entropy_of_heads(network, (network(batch),), labels, len(labels))
        torch.autograd.backward(loss)
        optimizer.step()
        yield loss.item()
