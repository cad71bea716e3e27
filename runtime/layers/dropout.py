"""Dropout whose mask depends only on the position of a value, so it is the same on every mesh and after a resume."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from ..kernels import kernels_run_on
from ..parallel.mesh import Axis, share

_LOW_32 = 0xFFFFFFFF
_CPU = torch.device("cpu")


class Dropout(nn.Module):
    """Sets each value to zero with probability `p` in training (section 4.2 of the paper).

    `scale="test"`, as in the paper: training keeps the other values unchanged, and at test time all values are
    multiplied by 1 - p. `scale="train"`, as in torch: training divides the other values by 1 - p, and test time changes
    nothing.

    The mask depends only on `key` and on the position of a value. The training loop sets the key with `fix_masks`.
    Without that, each call draws a new key from torch's generator, so `torch.manual_seed` works as usual.

    Args:
        p: the probability.
        scale: see above.
        images: the axes of a mesh that split the images, outermost first.
        units: the axes that split the units, or the channels of maps.
    """

    def __init__(
        self, p: float, scale: Literal["test", "train"], images: Sequence[Axis] = (), units: Sequence[Axis] = ()
    ) -> None:
        super().__init__()
        self.p = p
        self.scale = scale
        self.image_share, self.unit_share = share(images)[0], share(units)[0]  # the index of this part
        self.key: Tensor | None = None  # (), int64: a Python number would recompile at every step

    def forward(self, x: Tensor) -> Tensor:
        """Shape (N, *) to the same shape."""
        if not self.training:
            return x * (1 - self.p) if self.scale == "test" else x
        key = torch.randint(2**31, ()) if self.key is None else self.key
        shape = self.mask_shape(x)
        images, units = shape[0], shape[1:].numel()
        first = self.image_share * images, self.unit_share * units
        make = _mask_operation if torch.compiler.is_compiling() else _mask_of
        kept = make(key, images, units, self.p, x.device, *first).view(shape)
        y = torch.where(kept, x, torch.zeros((), dtype=x.dtype, device=x.device))
        return y if self.scale == "test" else y / (1 - self.p)

    def mask_shape(self, x: Tensor) -> torch.Size:
        """The shape of the mask for `x`: a value of the mask for each value."""
        return x.shape

    def extra_repr(self) -> str:
        """The arguments, for `repr`."""
        return f"p={self.p}, scale={self.scale!r}"


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
    rows = torch.arange(first[0], first[0] + images, device=device)[:, None]
    columns = torch.arange(first[1], first[1] + units, device=device)[None]
    mixed = _mix(_mix(_mix(rows + key) + 0x9E3779B9) ^ _mix(columns + 0x85EBCA6B))
    return _mix(mixed) >= _dropped(p)


def _mask_of(
    key: Tensor, images: int, units: int, p: float, device: torch.device, first_image: int, first_unit: int
) -> Tensor:
    """`keep_mask` with the key in a tensor."""
    if kernels_run_on(device):
        from ..kernels.keep_mask import keep_mask_on_gpu

        return keep_mask_on_gpu(
            key.to(device, non_blocking=True), images, units, _dropped(p), (first_image, first_unit)
        )
    return keep_mask(int(key.item()), images, units, p, device, (first_image, first_unit))


# One custom operation, because torch.compile would inline each hash. A direct call of it costs the CPU more than the
# kernel costs a GPU.
_mask_operation = torch.library.custom_op("alexc::keep_mask", _mask_of, mutates_args=())


@_mask_operation.register_fake
def _(_key: Tensor, images: int, units: int, _p: float, device: torch.device, *_first: int) -> Tensor:
    return torch.empty(images, units, dtype=torch.bool, device=device)


def _dropped(p: float) -> int:
    """The number of 32-bit hashes whose values are dropped."""
    return int(p * 2**32)


def _mix(x: Tensor) -> Tensor:
    """A 32-bit integer hash (lowbias32) in int64: the same bits on every device."""
    x = x & _LOW_32
    x = ((x ^ (x >> 16)) * 0x7FEB352D) & _LOW_32
    x = ((x ^ (x >> 15)) * 0x846CA68B) & _LOW_32
    return x ^ (x >> 16)
