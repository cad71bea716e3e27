"""Dropout whose mask depends only on the position of a value, so it is the same on every mesh and after a resume."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from ..kernels import kernels_run_on
from ..parallel.mesh import Axis, share
from .torch_only import dropout as torch_only
from .torch_only.dropout import dropped_hashes, hash_mask

_CPU = torch.device("cpu")


class Dropout(torch_only.Dropout):
    """`torch_only`'s, for meshes too. The mask depends only on `key` and on the position of a value.

    The training loop sets the key with `fix_masks`. Without that, each call draws a new key from torch's generator. On
    a GPU, a kernel makes the mask.

    Args:
        p: the probability that a value is set to zero.
        scale: whether values are scaled at test time, as in the paper, or in training, as in torch.
        images: the axes of a mesh that split the images, outermost first.
        units: the axes that split the units, or the channels of maps.
    """

    def __init__(
        self, p: float, scale: Literal["test", "train"], images: Sequence[Axis] = (), units: Sequence[Axis] = ()
    ) -> None:
        super().__init__(p, scale)
        self.image_share, self.unit_share = share(images)[0], share(units)[0]  # the index of this part
        self.key: Tensor | None = None  # (), int64: a Python number would recompile at every step

    def mask(self, x: Tensor) -> Tensor:
        """Boolean (images, units): the values to keep."""
        key = torch.randint(2**31, ()) if self.key is None else self.key
        images, *sizes = self.mask_shape(x)
        units = math.prod(sizes)
        first = self.image_share * images, self.unit_share * units
        make = _mask_operation if torch.compiler.is_compiling() else _mask_of
        return make(key, images, units, self.p, x.device, *first)


def fix_masks(network: nn.Module, seed: int, step: int, first: int = 0, device: torch.device = _CPU) -> None:
    """Make every dropout mask of the next forward pass a function of (seed, step, layer, image, unit).

    An image is its position in the batch, so a micro-batch gets the masks that its images have in the whole batch.

    Args:
        network: the network, or the part of it that this rank has.
        seed: the seed of the training.
        step: the number of the step.
        first: the position of the micro-batch's first image in the batch.
        device: where the keys are kept; a GPU reads its own memory without waiting.
    """
    layers = [(name, module) for name, module in network.named_modules() if isinstance(module, Dropout)]
    digests = [hashlib.sha256(f"{seed}/{step}/{name}".encode()).digest() for name, _ in layers]
    keys = torch.tensor([int.from_bytes(digest[:4], "big") + first for digest in digests])  # of a hash of key + image
    for (_, layer), key in zip(layers, keys.to(device, non_blocking=True), strict=True):
        layer.key = key


def keep_mask(
    key: int, images: int, units: int, p: float, device: torch.device, first: tuple[int, int] = (0, 0)
) -> Tensor:
    """Boolean (images, units), true with probability 1 - p: a hash of (key, image, unit), counted from `first`."""
    rows = torch.arange(first[0], first[0] + images, device=device)
    columns = torch.arange(first[1], first[1] + units, device=device)
    return hash_mask(key, rows, columns, p)


def _mask_of(
    key: Tensor, images: int, units: int, p: float, device: torch.device, first_image: int, first_unit: int
) -> Tensor:
    """`keep_mask` with the key in a tensor."""
    if kernels_run_on(device):
        from ..kernels.keep_mask import keep_mask_on_gpu

        return keep_mask_on_gpu(
            key.to(device, non_blocking=True), images, units, dropped_hashes(p), (first_image, first_unit)
        )
    return keep_mask(int(key.item()), images, units, p, device, (first_image, first_unit))


# One custom operation, because torch.compile would inline each hash. A direct call of it costs the CPU more than the
# kernel costs a GPU.
_mask_operation = torch.library.custom_op("alexc::keep_mask", _mask_of, mutates_args=())


@_mask_operation.register_fake
def _(_key: Tensor, images: int, units: int, _p: float, device: torch.device, *_first: int) -> Tensor:
    return torch.empty(images, units, dtype=torch.bool, device=device)
