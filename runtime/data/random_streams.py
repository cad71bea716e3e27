"""Random streams that are functions of (seed, epoch, image), so no generator state is ever saved."""

from __future__ import annotations

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

LARGEST_SEED = 2**63 - 1


class Purpose(IntEnum):
    """The purpose of a stream; streams for different purposes are independent."""

    ORDER = 0
    VIEW = 1
    RATE = 2
    GROUP_OF_VIEWS = 3


def generator(seed: int, purpose: Purpose, epoch: int, image: int = 0) -> np.random.Generator:
    """A generator for this purpose, epoch and image. It is counter-based, so starting anywhere costs nothing."""
    # The generator itself increments the lowest word of the counter.
    return np.random.Generator(np.random.Philox(key=[seed, purpose], counter=[0, 0, image, epoch]))


class Stream:
    """Gives the generators of `generator` for one seed and purpose, ten times as fast: each call restarts the same one.

    It belongs to one thread, and a generator is good until the next call.
    """

    def __init__(self, seed: int, purpose: Purpose) -> None:
        self._generator = generator(seed, purpose, 0)
        self._start = self._generator.bit_generator.state

    def at(self, epoch: int, image: int) -> np.random.Generator:
        """The generator for this epoch and image."""
        self._start["state"]["counter"] = (0, 0, image, epoch)
        self._generator.bit_generator.state = self._start
        return self._generator


def first_of_group(order: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """(images,): for each image, the first image of its group. The order is cut into groups of `size` images."""
    first = np.empty_like(order)
    first[order] = order[np.arange(len(order)) // size * size]
    return first


def epoch_order(seed: int, epoch: int, images: int) -> NDArray[np.int64]:
    """(images,): the order of the training images in an epoch."""
    return generator(seed, Purpose.ORDER, epoch).permutation(images)
