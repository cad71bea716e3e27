"""The outputs of a network for every validation image, in order."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ..data.batch_loader import BatchLoader
from ..data.split import Split
from ..evaluation.measure import TOP, Tally, measure
from ..evaluation.trained_network import TrainedNetwork


class Answers(Tally):
    """A tally that also keeps the five best outputs of each image."""

    def __init__(self, classes: int, outputs: int) -> None:
        super().__init__(classes, outputs)
        self._outputs: list[NDArray[np.int64]] = []
        self._probabilities: list[NDArray[np.float32]] = []
        self._right: list[NDArray[np.bool_]] = []

    def count(self, log_probabilities: Tensor, labels: Tensor) -> None:
        """Add a batch: log-probabilities (N, outputs) and labels (N,), on the CPU."""
        super().count(log_probabilities, labels)
        best = log_probabilities.topk(min(TOP, log_probabilities.shape[1]))
        valid = ~log_probabilities.isnan().any(1)  # NaN is never right
        self._outputs.append(best.indices.numpy())
        self._probabilities.append(best.values.exp().numpy())
        self._right.append(((best.indices[:, 0] == labels) & valid).numpy())

    @property
    def outputs(self) -> NDArray[np.int64]:
        """(N, 5) or fewer columns: the most likely outputs of each image, best first."""
        return np.concatenate(self._outputs)

    @property
    def probabilities(self) -> NDArray[np.float32]:
        """(N, 5) or fewer columns: the probabilities of `outputs`, 0..1."""
        return np.concatenate(self._probabilities)

    @property
    def right(self) -> NDArray[np.bool_]:
        """(N,): whether the most likely output is the class of the image."""
        return np.concatenate(self._right)


def answers_to(trained: TrainedNetwork, split: Split, rows: int) -> Answers:
    """What a network answers to every image of a split, with the views of its recipe.

    Args:
        trained: the network.
        split: the images, with the classes of the network.
        rows: the largest number of views in a batch.
    """
    views = trained.test_views()
    answers = Answers(len(trained.statistics.classes), trained.outputs)
    with BatchLoader(trained.renderer(), trained.file.size, max(rows, len(views)), threads=1) as feed:
        measure(trained.network, feed, split, views, rows, [(answers, range(len(views)))], "evaluate")
    return answers
