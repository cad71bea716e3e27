"""A picture of a store: its mean image, and a row of images for each of a few classes."""

from __future__ import annotations

import io
from html import escape
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from alexc.png import png_of
from alexc.printable import columns_of, printable

from ..files import write_bytes
from .displayed import as_rgb
from .spread import spread
from .store import Store

MOST_CLASSES, MOST_IMAGES = 10, 8
_LONGEST_NAME = 24
_TILE, _STEP = 120, 130  # in pixels: the side of an image, and from one to the next
_SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="{size[0]}" height="{size[1]}" font-size="12" fill="#30343b">'
    "{texts}</svg>"
)


def sheet_images(store: Store) -> list[tuple[int, list[int]]]:
    """The classes in the picture, evenly spaced over all classes, and evenly spaced training images of each."""
    classes = spread(len(store.classes), MOST_CLASSES)
    found = [(label, store.train.images_of_class(label)) for label in classes]
    return [(label, [int(images[place]) for place in spread(len(images), MOST_IMAGES)]) for label, images in found]


def write_contact_sheet(store: Store, path: Path) -> None:
    """Write the picture as a PNG, atomically.

    Raises:
        OSError: it cannot be written.
    """
    rows = sheet_images(store)
    names = ["mean image", *(_shortened(printable(store.classes[label])) for label, _ in rows)]
    left = 24 + 8 * max(map(columns_of, names))
    texts = [_text(left - 12, (row + 0.5) * _STEP, name, "end") for row, name in enumerate(names)]
    tiles = [(0, 0, as_rgb(store.mean_image.round().astype(np.uint8)))]
    for number, value in enumerate(store.eigenvalues, 1):
        texts.append(_text(left + number * _STEP + _TILE / 2, 40, f"colours {number}: {value:.4f}", "middle"))
        tiles.append((0, number, _component(store, number - 1)))
    for row, (_, images) in enumerate(rows, 1):
        tiles += [(row, column, as_rgb(store.train.image(image))) for column, image in enumerate(images)]
    size = (left + MOST_IMAGES * _STEP, len(names) * _STEP)
    sheet = Image.new("RGB", size, "white")
    words = Image.open(io.BytesIO(png_of(_SVG.format(size=size, texts="".join(texts)), 1)))
    sheet.paste(words, mask=words)
    for row, column, pixels in tiles:
        tile = _scaled(Image.fromarray(pixels))
        middle = left + column * _STEP + _TILE // 2, row * _STEP + _STEP // 2
        sheet.paste(tile, (middle[0] - tile.width // 2, middle[1] - tile.height // 2))
    picture = io.BytesIO()
    sheet.save(picture, "png")
    write_bytes(path, picture.getvalue())


def _scaled(image: Image.Image) -> Image.Image:
    """The image in a square tile; an image that is enlarged keeps its pixels."""
    scale = _TILE / max(image.size)
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    return image.resize(size, Image.Resampling.NEAREST if scale >= 1 else Image.Resampling.LANCZOS)


def _component(store: Store, number: int) -> NDArray[np.uint8]:
    """(64, 256, 3): from -3 to 3 standard deviations along a principal component of the colours."""
    steps = np.linspace(-3, 3, 256)[:, None] * np.sqrt(max(0.0, store.eigenvalues[number]))
    colors = store.mean_image.mean(axis=(0, 1)) + 255 * steps * store.eigenvectors[:, number]
    return as_rgb(np.broadcast_to(np.clip(colors, 0, 255).astype(np.uint8), (64, *colors.shape)))


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:g}" y="{y + 4:g}" text-anchor="{anchor}">{escape(text)}</text>'


def _shortened(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"
