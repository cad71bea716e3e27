"""Measures how well a network classifies a split: loss, top-1 and top-5 error, and confusions of classes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from ..augmentations.view import View, same_views
from ..data.batch_loader import BatchLoader, groups_of
from ..data.split import Split
from ..device import place_images
from ..parallel.batch_shard import NO_LABEL
from ..progress import Progress
from ..recipes import CrossEntropy, Loss

TOP = 5
CLASSES = CrossEntropy()  # the loss of a network that gives each image one class


def top5_tells(outputs: int) -> bool:
    """Whether the top-5 error of a network says something: with five outputs or fewer, it is always 0."""
    return outputs > TOP


@dataclass(frozen=True)
class Confusion:
    """One class, and what the network mistakes it for.

    Attributes:
        label: the class.
        images: the number of its images.
        wrong: how many of them have a wrong first guess.
        guess: the most frequent wrong guess; None if there is none.
        times: how often that was guessed.
    """

    label: int
    images: int
    wrong: int
    guess: int | None
    times: int

    @property
    def error(self) -> float:
        """The top-1 error of this class, 0..1."""
        return self.wrong / self.images


@dataclass(frozen=True, eq=False)
class Scores:
    """The results of a network on `images` images; errors are in 0..1.

    Attributes:
        images: the number of images.
        loss: the mean of -log of the probability of the right class.
        top1_error: the share of images whose class is not the first guess.
        top5_error: the share of images whose class is not among the first five guesses.
        guesses: (classes, outputs): how often each output was the first guess for each class.
    """

    images: int
    loss: float
    top1_error: float
    top5_error: float
    guesses: NDArray[np.int64]

    def worst_classes(self, count: int) -> list[Confusion]:
        """The classes with the highest error, worst first, without classes that have no images."""
        rows = [_confusion(label, row) for label, row in enumerate(self.guesses) if row.any()]
        return sorted(rows, key=lambda row: (-row.error, row.label))[:count]


class ViewTally(Protocol):
    """Counts what a network answers to the views of images."""

    def count_views(self, answers: Tensor, labels: Tensor) -> None:
        """Add a batch: answers (N, views, outputs), as `answers_of` gives them, and labels, on the CPU."""


class Tally:
    """Counts right and wrong guesses over batches."""

    def __init__(self, classes: int, outputs: int) -> None:
        self._guesses = np.zeros((classes, outputs), np.int64)
        self._images = self._right5 = 0
        self._loss = 0.0

    def count_views(self, answers: Tensor, labels: Tensor) -> None:
        """Add a batch: log-probabilities (N, views, outputs) and labels (N,), on the CPU."""
        self.count(average(answers), labels)

    def count(self, log_probabilities: Tensor, labels: Tensor) -> None:
        """Add a batch: log-probabilities (N, outputs) and labels (N,), on the CPU. Rows without a label are ignored."""
        log_probabilities, labels = log_probabilities[labels != NO_LABEL], labels[labels != NO_LABEL]
        if not len(labels):
            return
        valid = ~log_probabilities.isnan().any(1)  # NaN is never right
        first = log_probabilities.topk(min(TOP, log_probabilities.shape[1])).indices
        self._right5 += int(((first == labels[:, None]).any(1) & valid).sum())
        self._loss -= float(log_probabilities.gather(1, labels[:, None]).double().sum())
        self._images += len(labels)
        guess = torch.where(valid, first[:, 0], (labels + 1) % log_probabilities.shape[1])
        np.add.at(self._guesses, (labels.numpy(), guess.numpy()), 1)

    def counts(self) -> Tensor:
        """All counts as one float64 vector, which can be summed over processes."""
        return torch.tensor([*self._guesses.reshape(-1).tolist(), self._images, self._right5, self._loss]).double()

    def take(self, counts: Tensor) -> None:
        """Replace the counts by such a vector."""
        *guesses, images, right5, loss = counts.tolist()
        self._guesses = np.array(guesses, np.int64).reshape(self._guesses.shape)
        self._images, self._right5, self._loss = int(images), int(right5), loss

    def scores(self) -> Scores:
        """The scores of everything that was counted."""
        right = int(np.trace(self._guesses))
        return Scores(
            self._images,
            self._loss / self._images,
            (self._images - right) / self._images,
            (self._images - self._right5) / self._images,
            self._guesses,
        )


def measure(
    network: nn.Module,
    feed: BatchLoader,
    split: Split,
    views: Sequence[View],
    rows: int,
    tallies: Sequence[tuple[ViewTally, Sequence[int]]],
    task: str,
    before_batch: Callable[[], None] = lambda: None,
    loss: Loss = CLASSES,
) -> None:
    """Show the network every image of a split; with several processes, each shows its part.

    Args:
        network: is left in evaluation mode.
        feed: renders the batches.
        split: the images.
        views: the views per image.
        rows: the largest number of views in a batch.
        tallies: each with the indices of the `views` that it averages.
        task: the name on the progress bar.
        before_batch: called before each batch; may raise to stop.
        loss: the loss of the recipe.
    """
    groups = groups_of(np.arange(len(split)), max(1, rows // len(views)))
    with Progress(task, len(split), "images") as progress:
        for answers, labels, count in _answers(network, feed, split, views, groups, before_batch, loss):
            for tally, chosen in tallies:
                tally.count_views(answers[:, list(chosen)], labels)
            progress.advance(count)


def answers_of(network: nn.Module, images: Tensor, views: int, loss: Loss = CLASSES) -> Tensor:
    """What the network answers to images (N * views, channels, H, W): (N, views, outputs), float32 on the CPU.

    Log-probabilities for a network of classes, the softmax included; for other losses the outputs as they are.
    """
    device = next(network.parameters()).device
    with torch.inference_mode():
        outputs: Tensor = network(place_images(images, device)).float()
        answers = F.log_softmax(outputs, dim=1) if isinstance(loss, CrossEntropy) else outputs
        return answers.cpu().view(-1, views, outputs.shape[1])


def average(log_probabilities: Tensor) -> Tensor:
    """The log of the softmax averaged over the views: (N, views, outputs) to (N, outputs) (section 4.1)."""
    return log_probabilities.logsumexp(1) - float(np.log(log_probabilities.shape[1]))


def _answers(
    network: nn.Module,
    feed: BatchLoader,
    split: Split,
    views: Sequence[View],
    groups: Sequence[NDArray[np.int64]],
    before_batch: Callable[[], None],
    loss: Loss,
) -> Iterator[tuple[Tensor, Tensor, int]]:
    network.eval()
    for batch in feed.batches(split, groups, same_views(views)):
        before_batch()
        yield answers_of(network, batch.images, len(views), loss), batch.labels[:: len(views)], batch.count


def _confusion(label: int, guesses: NDArray[np.int64]) -> Confusion:
    wrong = guesses.copy()
    wrong[label] = 0
    most = int(wrong.argmax())
    guess = most if wrong[most] else None
    return Confusion(label, int(guesses.sum()), int(wrong.sum()), guess, int(wrong[most]))
