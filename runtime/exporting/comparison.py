"""Compares an exported network with torch on the same images, in batches of one and of several."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..errors import UserError
from .subject import SAMPLES

TOLERANCE = 1e-4  # relative to the largest output, or to 1; float32 sums in another order differ by far less
BATCHES = (1, SAMPLES)


@dataclass(frozen=True)
class Comparison:
    """The result of a comparison: the largest difference, and the names of the images."""

    difference: float
    images: tuple[str, ...]


def compare(network: nn.Module, exported: Callable[[Tensor], Tensor], images: dict[str, Tensor]) -> Comparison:
    """Compare the outputs of a network and its export, with each batch size once.

    Raises:
        UserError: they differ by more than `TOLERANCE`.
    """
    largest = 0.0
    for name, given in images.items():
        for batch in BATCHES:
            with torch.no_grad():
                expected = network(given[:batch])
            made = exported(given[:batch])
            difference = (made - expected).abs().max().item() if made.shape == expected.shape else float("inf")
            allowed = TOLERANCE * max(1.0, expected.abs().max().item())
            if not difference <= allowed:
                raise UserError(
                    f"the exported network differs from torch's by {difference:.1e} on {name} images at batch {batch}, "
                    f"where {allowed:.1e} is allowed: nothing was written; please report it"
                )
            largest = max(largest, difference)
    return Comparison(largest, tuple(images))
