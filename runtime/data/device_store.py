"""The images of a store in the memory of the device that trains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from ..augmentations.augmentation import Augmentation
from ..augmentations.color_jitter import ColorJitter
from ..errors import UserError
from ..progress import Progress
from .shard_pixels import Pixels
from .split import Images
from .store import Store

_LARGEST_SHARE = 0.8  # of the free memory; training needs the rest
_IMAGES_AT_ONCE = 256


def stored_on(
    device: torch.device, store: Store, augment: Sequence[Augmentation], free: int
) -> Mapping[Images, Tensor]:
    """The images of both splits on a device: (images, H, W, channels), 8-bit; those of 16 bits as float32.

    Args:
        device: where.
        store: the images.
        augment: the steps of the recipe.
        free: bytes that the device has free.

    Raises:
        UserError: they do not fit, or the recipe changes images on the CPU.
    """
    on_cpu = [type(step).__name__ for step in augment if step.scales or isinstance(step, ColorJitter)]
    if on_cpu:
        raise UserError(f"--cache device: {on_cpu[0]} changes each image on the CPU: leave --cache out")
    splits = {store.train: len(store.train), store.val: len(store.val)}
    first = store.train.image(0)
    needed = sum(splits.values()) * first.size * np.dtype(_type_of(first)).itemsize
    if needed > _LARGEST_SHARE * free:
        raise UserError(
            f"--cache device: the images take {needed / 1e9:.1f} GB, and {device} has {free / 1e9:.1f} GB free, of "
            f"which training needs a part: leave --cache out"
        )
    with Progress(f"copying to {device}", sum(splits.values()), "images") as progress:
        return {split: _copied(split, count, device, progress) for split, count in splits.items()}


def _copied(split: Images, count: int, device: torch.device, progress: Progress) -> Tensor:
    kind = _type_of(split.image(0))
    pixels = torch.empty(count, *split.image(0).shape, dtype=torch.from_numpy(np.empty(0, kind)).dtype, device=device)
    for first in range(0, count, _IMAGES_AT_ONCE):
        numbers = range(first, min(count, first + _IMAGES_AT_ONCE))
        images = [torch.tensor(split.image(index).astype(kind)) for index in numbers]
        pixels[first : first + len(images)] = torch.stack(images)
        progress.advance(len(images))
    return pixels


def _type_of(pixels: Pixels) -> type[np.uint8 | np.float32]:
    """How a device holds the pixels: torch computes little with unsigned numbers of 16 bits."""
    return np.uint8 if pixels.dtype == np.uint8 else np.float32
