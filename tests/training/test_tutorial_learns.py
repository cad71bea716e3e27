"""The network that the tutorial trains learns from its first steps on."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from alexc import Net
from alexc.runtime.data.dataset_statistics import DatasetStatistics
from alexc.runtime.data.recipe_check import geometry_of, renderer_of
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
    (tmp_path / "network.py").write_text(Net.from_text(text).python())
    file = load_network_file(tmp_path / "network.py")
    geometry = geometry_of(file)
    statistics = DatasetStatistics(tuple(SHAPES), geometry, images.mean(0), np.ones(3), np.eye(3), "")
    renderer, view = renderer_of(file, statistics), central_view(geometry.crop, file.size)
    rendered = np.empty((len(images), file.size, file.size, 3), np.float32)
    for image, pixels in zip(images, rendered, strict=True):
        renderer.render(image, view, pixels)
    batch = torch.from_numpy(rendered).permute(0, 3, 1, 2)
    labels = torch.arange(len(SHAPES))
    network = file.build(seed=0)
    optimizer = optimizer_of(file.recipe.optimizer, network)
    losses = []
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss = cross_entropy_of_heads(network, (network(batch),), labels, len(labels))
        torch.autograd.backward(loss)
        optimizer.step()
        losses.append(loss.item())
    assert losses[0] == pytest.approx(math.log(10), abs=0.1)  # that of equal probabilities
    assert max(losses) < 2.5
    assert losses[-1] < 2.0, losses
