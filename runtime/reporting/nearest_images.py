"""The training images that are nearest to a validation image for the network: Figure 4 of the paper, right."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from alexc.printable import printable

from ..augmentations.view import same_views
from ..data.batch_loader import BatchLoader, groups_of
from ..data.split import Split
from ..data.spread import spread
from ..data.store import Store
from ..data.views import central_view
from ..evaluation.measure import answers_of
from ..evaluation.trained_network import TrainedNetwork
from ..progress import Progress
from .embedded_image import photograph_uri
from .layer_order import LastInput, PassedLayer
from .missing import Missing

NEAREST = 6
MOST_SEARCHED = 10_000
_SIDE = 160


@dataclass(frozen=True)
class Picture:
    """An image of the data: its path, a data URI, and the name of its class."""

    file: str
    image: str
    name: str


@dataclass(frozen=True)
class Neighbour:
    """A training image near a validation image: its distance, and whether it has the same class."""

    picture: Picture
    distance: float
    same: bool


@dataclass(frozen=True)
class NearestImages:
    """The section.

    Attributes:
        layer: the last layer with weights; distances are computed between its inputs.
        numbers: the number of its input values per image.
        searched: the number of training images that were compared.
        images: the number of training images.
        rows: each validation image with the training images nearest to it, nearest first.
    """

    layer: str
    numbers: int
    searched: int
    images: int
    rows: tuple[tuple[Picture, tuple[Neighbour, ...]], ...]


@dataclass(frozen=True)
class Search:
    """The result of a search: per query (distance, image number) of the nearest, and the number of values."""

    found: tuple[tuple[tuple[float, int], ...], ...]
    numbers: int


def draw_nearest(
    trained: TrainedNetwork,
    layers: Sequence[PassedLayer],
    store: Store,
    queries: Sequence[int],
    rows: int,
    name: Callable[[int], str],
) -> NearestImages | Missing:
    """The section.

    Args:
        trained: the network.
        layers: its layers, in the order of the forward pass.
        store: the images.
        queries: the numbers of the validation images.
        rows: the largest number of images in a batch.
        name: the displayed name of an output.
    """
    last = next((layer for layer in reversed(layers) if layer.has_weights), None)
    if last is None:
        return Missing("No layer of this network has weights of its own, so there is nothing to compare images by.")
    candidates = spread(len(store.train), MOST_SEARCHED)
    search = search_nearest(trained, last, store, queries, candidates, rows)

    def picture(split: Split, number: int) -> Picture:
        label = int(split.labels[number])
        return Picture(printable(split.files[number]), photograph_uri(split.image(number), _SIDE), name(label))

    drawn = tuple(
        (
            picture(store.val, query),
            tuple(
                Neighbour(picture(store.train, number), distance, store.train.labels[number] == store.val.labels[query])
                for distance, number in found
            ),
        )
        for query, found in zip(queries, search.found, strict=True)
    )
    return NearestImages(last.name, search.numbers, len(candidates), len(store.train), drawn)


def search_nearest(
    trained: TrainedNetwork,
    last: PassedLayer,
    store: Store,
    queries: Sequence[int],
    candidates: Sequence[int],
    rows: int,
) -> Search:
    """Compare validation images with training images by the Euclidean distance between the inputs of a layer.

    Each image is seen with its central view. Only one batch of training images is in memory at a time. Of two images
    with the same distance, the one with the lower number comes first.

    Args:
        trained: the network.
        last: the layer.
        store: the images.
        queries: numbers of validation images.
        candidates: numbers of training images.
        rows: the largest number of images in a batch.
    """
    nearest: list[list[tuple[float, int]]] = [[] for _ in queries]
    with (
        BatchLoader(trained.renderer(), trained.file.size, rows, threads=1) as feed,
        LastInput(last.module) as given,
        Progress("nearest images", len(candidates), "images") as progress,
    ):
        read = [values for _, values in _read_by(trained, given, feed, store.val, queries, rows)]
        wanted = np.concatenate(read)
        for numbers, values in _read_by(trained, given, feed, store.train, candidates, rows):
            for place, query in enumerate(wanted):
                distances = np.sqrt(np.square(values - query).sum(axis=1))
                met = nearest[place] + list(zip(distances.tolist(), numbers.tolist(), strict=True))
                nearest[place] = sorted(met)[:NEAREST]
            progress.advance(len(numbers))
    return Search(tuple(map(tuple, nearest)), wanted.shape[1])


def _read_by(
    trained: TrainedNetwork, given: LastInput, feed: BatchLoader, split: Split, numbers: Sequence[int], rows: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float64]]]:
    """The numbers of a batch of images, and the layer's input for each, (N, values)."""
    center = central_view(trained.statistics.geometry.crop, trained.file.size)
    groups = groups_of(np.array(numbers, np.int64), rows)
    for group, batch in zip(groups, feed.batches(split, groups, same_views([center])), strict=True):
        answers_of(trained.network, batch.images, 1)
        yield group, given.value.reshape(batch.count, -1).cpu().double().numpy()
