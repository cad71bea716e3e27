"""Stored images as people see them: RGB of 8 bits, for pictures and reports."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .decode import BACKGROUND
from .shard_pixels import Pixels


def as_rgb(pixels: Pixels) -> NDArray[np.uint8]:
    """(H, W, 3) of an image of 1 to 4 channels.

    Grey is copied, and what is transparent is put on white. The range of an image of 16 bits is spread from black to
    white: it is often a small part of what 16 bits can hold.
    """
    if pixels.dtype != np.uint8:
        pixels = _spread(pixels)
    colors, alpha = (pixels, None) if pixels.shape[2] % 2 else (pixels[..., :-1], pixels[..., -1:])
    rgb: NDArray[np.uint8] = np.broadcast_to(colors, (*pixels.shape[:2], 3))
    if alpha is None:
        return np.ascontiguousarray(rgb, np.uint8)
    share = alpha / 255
    mixed: NDArray[np.uint8] = np.rint(rgb * share + np.array(BACKGROUND) * (1 - share)).astype(np.uint8)
    return mixed


def _spread(pixels: Pixels) -> NDArray[np.uint8]:
    values = pixels.astype(np.float64)
    least, most = values.min(), values.max()
    spread: NDArray[np.uint8] = np.rint(255 * (values - least) / max(1.0, most - least)).astype(np.uint8)
    return spread
