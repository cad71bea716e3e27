"""Images inside the page, as data URIs, which need no other file and no network."""

from __future__ import annotations

import base64
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..data.displayed import as_rgb
from ..data.shard_pixels import Pixels

_QUALITY = 88


def photograph_uri(pixels: Pixels, most: int) -> str:
    """A JPEG of a stored image (H, W, channels), scaled down if a side has more than `most` pixels."""
    image = Image.fromarray(as_rgb(pixels))
    image.thumbnail((most, most), Image.Resampling.LANCZOS)
    content = io.BytesIO()
    image.save(content, "jpeg", quality=_QUALITY, subsampling=0)
    return _uri("image/jpeg", content.getvalue())


def exact_uri(pixels: NDArray[np.uint8]) -> str:
    """A lossless PNG of an image (H, W, channels)."""
    content = io.BytesIO()
    Image.fromarray(as_rgb(pixels)).save(content, "png")
    return _uri("image/png", content.getvalue())


def drawing_uri(svg: str) -> str:
    """A drawing as an image: a browser runs no scripts in it and loads nothing, whatever the text contains."""
    return _uri("image/svg+xml", svg.encode())


def _uri(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
