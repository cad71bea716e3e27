"""Digits like MNIST's: drawn with several fonts, turned, moved and blurred; and the files that MNIST has them in."""

from __future__ import annotations

import gzip
from pathlib import Path

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

SIDE = 28
_FONTS = ("DejaVuSans", "DejaVuSerif", "DejaVuSansMono-Oblique", "DejaVuSans-Bold", "STIXGeneral", "cmr10", "cmtt10")


def draw_digits(count: int, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """White digits on black, (count, 28, 28), and their labels, (count,)."""
    rng = np.random.default_rng(seed)
    folder = Path(mpl.get_data_path()) / "fonts" / "ttf"
    fonts = [ImageFont.truetype(folder / f"{name}.ttf", size) for name in _FONTS for size in (20, 24)]
    labels = (np.arange(count) % 10).astype(np.uint8)
    digits = [_digit(str(label), fonts[int(rng.integers(len(fonts)))], rng) for label in labels]
    return np.stack(digits), labels


def _digit(text: str, font: ImageFont.FreeTypeFont, rng: np.random.Generator) -> NDArray[np.uint8]:
    image = Image.new("L", (SIDE, SIDE))
    ImageDraw.Draw(image).text((SIDE / 2, SIDE / 2), text, fill=255, font=font, anchor="mm")
    moved = tuple(int(each) for each in rng.integers(-2, 3, 2))
    turned = image.rotate(rng.uniform(-15, 15), Image.Resampling.BILINEAR, translate=(moved[0], moved[1]))
    return np.asarray(turned.filter(ImageFilter.GaussianBlur(rng.uniform(0.2, 0.8))))


def write_idx(digits: NDArray[np.uint8], labels: NDArray[np.uint8], folder: Path, split: str) -> None:
    """The two files of a split, "train" or "t10k", compressed as MNIST's are."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, values in ((f"{split}-images-idx3-ubyte", digits), (f"{split}-labels-idx1-ubyte", labels)):
        head = bytes((0, 0, 8, values.ndim)) + np.array(values.shape, ">u4").tobytes()
        (folder / f"{name}.gz").write_bytes(gzip.compress(head + values.tobytes(), 1))
