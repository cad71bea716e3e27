"""Predicts the class of an image file, for `alexc predict`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from ..data.decode import load_image, square
from ..label_losses import scores_of
from ..recipes import CrossEntropy
from .measure import TOP, answers_of, average
from .trained_network import TrainedNetwork

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601, as Pillow and OpenCV convert to grey


@dataclass(frozen=True)
class Guess:
    """A class name, safe to print, and its probability in 0..1; for the losses of squares, the output itself."""

    name: str
    probability: float


def predict(trained: TrainedNetwork, image: Path) -> list[Guess]:
    """The five most likely classes of an image, prepared as in training and averaged over the recipe's test views.

    Raises:
        BadImage: the file cannot be used as an image.
    """
    pixels, _ = load_image(image)
    stored = square(pixels, trained.statistics.geometry)
    views, size, renderer = trained.test_views(), trained.file.size, trained.renderer()
    rendered = np.empty((len(views), size, size, 3), np.float32)
    for view, out in zip(views, rendered, strict=True):
        renderer.render(stored, view, out)
    if trained.file.input_shape[0] == 1:
        rendered = (rendered @ _LUMA)[..., None]
    shown = torch.from_numpy(rendered).permute(0, 3, 1, 2)
    loss = trained.file.recipe.loss
    answers = answers_of(trained.network, shown, len(views), loss)
    of_classes = isinstance(loss, CrossEntropy)
    probabilities = average(answers).exp() if of_classes else scores_of(loss, answers).mean(1)
    best = probabilities[0].topk(min(TOP, trained.outputs))
    return [
        Guess(trained.class_name(output), probability)
        for output, probability in zip(best.indices.tolist(), best.values.tolist(), strict=True)
    ]
