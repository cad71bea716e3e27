"""How well a network classifies a split: loss, top-1 and top-5 error, and what it takes for what."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from ..augmentations.augmentation import View
from ..data.batch_loader import BatchLoader, groups_of
from ..data.split import Split
from ..device import place_images
from ..parallel.batch_shard import NO_LABEL
from ..progress import Progress

TOP = 5


@dataclass(frozen=True)
class Confusion:
    """One class and what the network takes its images for.

    Attributes:
        label: the class.
        images: how many images of it were shown.
        wrong: how many of them the first guess missed.
        guess: the wrong class guessed most often, or None where no guess was wrong.
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
    """How a network did on `images` images; errors are shares, 0..1.

    Attributes:
        images: how many were shown.
        loss: the mean of -log of the probability given to the right class.
        top1_error: the share whose class was not the first guess.
        top5_error: the share whose class was not among the first five.
        guesses: (classes, outputs), how often each class was taken for each output.
    """

    images: int
    loss: float
    top1_error: float
    top5_error: float
    guesses: NDArray[np.int64]

    def worst_classes(self, count: int) -> list[Confusion]:
        """The classes with the highest error, worst first; classes without images are left out."""
        rows = [_confusion(label, row) for label, row in enumerate(self.guesses) if row.any()]
        return sorted(rows, key=lambda row: (-row.error, row.label))[:count]


class Tally:
    """Counts right and wrong over batches."""

    def __init__(self, classes: int, outputs: int) -> None:
        self._guesses = np.zeros((classes, outputs), np.int64)
        self._images = self._right5 = 0
        self._loss = 0.0

    def count(self, log_probabilities: Tensor, labels: Tensor) -> None:
        """Add a batch: log-probabilities (N, outputs) and labels (N,), on the CPU; those without one are left out."""
        log_probabilities, labels = log_probabilities[labels != NO_LABEL], labels[labels != NO_LABEL]
        if not len(labels):
            return
        valid = ~log_probabilities.isnan().any(1)  # what is not a number is never right
        first = log_probabilities.topk(min(TOP, log_probabilities.shape[1])).indices
        self._right5 += int(((first == labels[:, None]).any(1) & valid).sum())
        self._loss -= float(log_probabilities.gather(1, labels[:, None]).double().sum())
        self._images += len(labels)
        guess = torch.where(valid, first[:, 0], (labels + 1) % log_probabilities.shape[1])
        np.add.at(self._guesses, (labels.numpy(), guess.numpy()), 1)

    def counts(self) -> Tensor:
        """All that was counted, as one float64 vector: those of several processes can be added."""
        return torch.tensor([*self._guesses.reshape(-1).tolist(), self._images, self._right5, self._loss]).double()

    def take(self, counts: Tensor) -> None:
        """Go on from what `counts` tells."""
        *guesses, images, right5, loss = counts.tolist()
        self._guesses = np.array(guesses, np.int64).reshape(self._guesses.shape)
        self._images, self._right5, self._loss = int(images), int(right5), loss

    def scores(self) -> Scores:
        """The figures of all that was counted."""
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
    tallies: Sequence[tuple[Tally, Sequence[int]]],
    task: str,
    before_batch: Callable[[], None] = lambda: None,
) -> None:
    """Show the network every image of a split; each of several processes its share.

    Args:
        network: left in evaluation mode.
        feed: renders the batches.
        split: the images.
        views: what is shown of each image.
        rows: the most views of a batch.
        tallies: each with the places in `views` over which it averages the softmax.
        task: what the progress bar says.
        before_batch: called before each batch; may raise to give up.
    """
    groups = groups_of(np.arange(len(split)), max(1, rows // len(views)))
    with Progress(task, len(split), "images") as progress:
        for probabilities, labels, count in _answers(network, feed, split, views, groups, before_batch):
            for tally, chosen in tallies:
                tally.count(average(probabilities[:, list(chosen)]), labels)
            progress.advance(count)


def log_probabilities_of(network: nn.Module, images: Tensor, views: int) -> Tensor:
    """The log of the softmax of each view, (N, views, outputs), float32 on the CPU, of images (N * views, 3, H, W)."""
    device = next(network.parameters()).device
    with torch.inference_mode():
        logits: Tensor = network(place_images(images, device))
        return F.log_softmax(logits.float(), dim=1).cpu().view(-1, views, logits.shape[1])


def average(log_probabilities: Tensor) -> Tensor:
    """The log of the mean over the views of the softmax: (N, views, outputs) to (N, outputs) (section 4.1)."""
    return log_probabilities.logsumexp(1) - float(np.log(log_probabilities.shape[1]))


def _answers(
    network: nn.Module,
    feed: BatchLoader,
    split: Split,
    views: Sequence[View],
    groups: Sequence[NDArray[np.int64]],
    before_batch: Callable[[], None],
) -> Iterator[tuple[Tensor, Tensor, int]]:
    network.eval()
    for batch in feed.batches(split, groups, lambda _: views):
        before_batch()
        yield log_probabilities_of(network, batch.images, len(views)), batch.labels[:: len(views)], batch.count


def _confusion(label: int, guesses: NDArray[np.int64]) -> Confusion:
    wrong = guesses.copy()
    wrong[label] = 0
    most = int(wrong.argmax())
    guess = most if wrong[most] else None
    return Confusion(label, int(guesses.sum()), int(wrong.sum()), guess, int(wrong[most]))
