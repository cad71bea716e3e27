"""JPEG files in which nothing is odd, decoded by libjpeg-turbo at first hand: the same pixels as Pillow's, sooner."""

from __future__ import annotations

import numpy as np
import simplejpeg  # type: ignore[import-untyped]
from numpy.typing import NDArray


def plain_jpeg(content: bytes, width: int, height: int) -> NDArray[np.uint8] | None:
    """(height, width, 3), RGB, of a JPEG file that is greyscale or in colours; bit for bit what Pillow decodes.

    None where the decoder has anything to say of the file, be it only a warning, or where it is of another size, which
    its header tells before memory is taken. Then nothing is known of it but that it wants a closer look.
    """
    try:
        if simplejpeg.decode_jpeg_header(content)[:2] != (height, width):
            return None
        pixels: NDArray[np.uint8] = simplejpeg.decode_jpeg(content, "RGB", strict=True)
    except ValueError:
        return None
    return pixels
