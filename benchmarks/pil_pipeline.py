"""A hand-written program that prepares a folder of images with Pillow, for comparison with `alexc prepare`.

`python -m benchmarks.pil_pipeline FOLDER OUT PROCESSES` writes the raw pixels of every image under FOLDER, the shorter
side scaled to 256 pixels and cropped to the central 256x256, as OUT/0.u8, OUT/1.u8 ...: the pixels of torchvision's v1
`Resize` and `CenterCrop`, without the seconds that it takes to import torchvision.
"""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE = 256
IMAGES_PER_TASK = 32


def scaled_and_cut(image: Image.Image) -> NDArray[np.uint8]:
    """The central square of an image, (SIDE, SIDE, 3)."""
    width, height = image.size
    longer = int(SIDE * max(width, height) / min(width, height))
    size = (SIDE, longer) if width <= height else (longer, SIDE)
    image = image.resize(size, Image.Resampling.BILINEAR)
    left, top = (round((side - SIDE) / 2) for side in size)
    return np.asarray(image.crop((left, top, left + SIDE, top + SIDE)))


def work(task: tuple[Path, Sequence[Path]]) -> None:
    """Write the pixels of a list of images into one file."""
    target, paths = task
    with target.open("wb") as output:
        for path in paths:
            with Image.open(path) as image:
                output.write(scaled_and_cut(image.convert("RGB")).data)


def main() -> None:
    """Divide the images among the processes."""
    folder, target, processes = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    target.mkdir()
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    parts = [paths[start : start + IMAGES_PER_TASK] for start in range(0, len(paths), IMAGES_PER_TASK)]
    with multiprocessing.Pool(processes) as pool:
        pool.map(work, [(target / f"{number}.u8", part) for number, part in enumerate(parts)], chunksize=1)
        pool.close()
        pool.join()


if __name__ == "__main__":
    main()
