"""Random draws that are functions of (seed, epoch, image), so that no generator's state is ever saved."""

from __future__ import annotations

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

LARGEST_SEED = 2**63 - 1


class Purpose(IntEnum):
    """What a draw is for: draws for different purposes are independent."""

    ORDER = 0
    VIEW = 1


def generator(seed: int, purpose: Purpose, epoch: int, image: int = 0) -> np.random.Generator:
    """A generator for this purpose, epoch and image: a counter-based one starts anywhere at no cost."""
    # The lowest word of the counter is what the generator itself counts up.
    return np.random.Generator(np.random.Philox(key=[seed, purpose], counter=[0, 0, image, epoch]))


def epoch_order(seed: int, epoch: int, images: int) -> NDArray[np.int64]:
    """(images,): the order in which an epoch visits the training images."""
    return generator(seed, Purpose.ORDER, epoch).permutation(images)
