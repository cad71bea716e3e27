"""Random numbers that are functions of (seed, epoch, image), so no generator state is ever saved."""

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


def generator(seed: int, purpose: Purpose, epoch: int, part: int = 0, step: int = 0) -> np.random.Generator:
    """A generator for this purpose and epoch, for a part of its images and a step of `augment`, if it is for one.

    It is counter-based, so starting anywhere costs nothing.
    """
    # The generator itself increments the lowest word of the counter.
    key = [seed, purpose + step * len(Purpose)]
    return np.random.Generator(np.random.Philox(key=key, counter=[0, 0, part, epoch]))


def first_of_group(order: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """(images,): for each image, the first image of its group. The order is cut into groups of `size` images."""
    first = np.empty_like(order)
    first[order] = order[np.arange(len(order)) // size * size]
    return first


def epoch_order(seed: int, epoch: int, images: int) -> NDArray[np.int64]:
    """(images,): the order of the training images in an epoch."""
    return generator(seed, Purpose.ORDER, epoch).permutation(images)
