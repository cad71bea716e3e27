"""Folders of images for tests, and the bytes of what is made of them."""

from pathlib import Path

import numpy as np
from PIL import Image


def photographs(
    root: Path, train: int = 4, val: int = 2, classes: str = "ab", size: tuple[int, int] = (40, 30), ending: str = "png"
) -> Path:
    """A folder of noise, every image different."""
    for label, name in enumerate(classes):
        for split, count in (("train", train), ("val", val)):
            (root / split / name).mkdir(parents=True, exist_ok=True)
            for number in range(count):
                rng = np.random.default_rng((label, split == "val", number))
                pixels = rng.integers(0, 256, (*size[::-1], 3), np.uint8)
                Image.fromarray(pixels).save(root / split / name / f"{number:03d}.{ending}")
    return root


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}
