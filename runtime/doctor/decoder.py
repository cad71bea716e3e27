"""Measures how fast one core decodes images, as `alexc prepare` does."""

from __future__ import annotations

import io
import time

import numpy as np
from PIL import Image

from ..cores import available_cores
from ..data.decode import decode, scale_and_crop
from ..data.store import Geometry
from .section import Section

WIDTH, HEIGHT = 500, 375  # the size of most ImageNet images
_SECONDS = 1.0
_IMAGENET = 1_281_167


def decoder(geometry: Geometry) -> Section:
    """Measure decoding, scaling and cropping to the image size of a store."""
    content = photograph_like()
    rate = decoded_per_second(content, geometry)
    hours = _IMAGENET / rate / available_cores() / 3600
    return Section(
        "decoder",
        (
            ("rate", f"{rate:,.0f} images/s per core, for {WIDTH}x{HEIGHT} JPEGs of {len(content) / 1e3:.0f} kB"),
            ("ImageNet", f"{hours:.1f} hours for its {_IMAGENET:,} images, on all {available_cores()} cores"),
        ),
    )


def photograph_like() -> bytes:
    """A JPEG of noise, about as large in bytes as a photograph of the same size."""
    rng = np.random.default_rng(0)
    coarse = Image.fromarray(rng.integers(0, 256, (HEIGHT // 25, WIDTH // 25, 3), dtype=np.uint8))
    pixels = np.asarray(coarse.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)).astype(np.float64)
    noisy = np.clip(pixels + rng.normal(0, 14, pixels.shape), 0, 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(noisy).save(file, "JPEG", quality=90)
    return file.getvalue()


def decoded_per_second(content: bytes, geometry: Geometry) -> float:
    """Images per second on one core."""
    started, count = time.perf_counter(), 0
    while time.perf_counter() - started < _SECONDS:
        pixels, _ = decode(content, ".jpg", channels=geometry.channels, bits=geometry.bits)
        scale_and_crop(pixels, geometry)
        count += 1
    return count / (time.perf_counter() - started)
