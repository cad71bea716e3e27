"""A picture of a store: its mean image, and a row of images for each of a few classes."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from alexc.printable import printable

from ..files import write_bytes
from .displayed import as_rgb
from .spread import spread
from .store import Store

MOST_CLASSES, MOST_IMAGES = 10, 8
_LONGEST_NAME = 24
_INK = "#30343b"


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
    figure = Figure(figsize=(1.3 * MOST_IMAGES + 2.2, 1.35 * (len(rows) + 1) + 0.4), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(len(rows) + 1, MOST_IMAGES, squeeze=False)
    for axes in grid.flat:
        axes.axis("off")
    grid[0, 0].imshow(as_rgb(store.mean_image.round().astype(np.uint8)))
    _label(grid[0, 0], "mean image")
    for number, value in enumerate(store.eigenvalues):
        grid[0, number + 1].imshow(_component(store, number))
        grid[0, number + 1].set_title(f"colours {number + 1}: {value:.4f}", fontsize=8, color=_INK)
    for line, (label, images) in zip(grid[1:], rows, strict=True):
        for axes, image in zip(line, images, strict=False):
            axes.imshow(as_rgb(store.train.image(image)))
        _label(line[0], printable(store.classes[label]))
    picture = io.BytesIO()
    figure.savefig(picture, format="png", metadata={"Software": None})
    write_bytes(path, picture.getvalue())


def _component(store: Store, number: int) -> NDArray[np.uint8]:
    """(64, 256, 3): from -3 to 3 standard deviations along a principal component of the colours."""
    steps = np.linspace(-3, 3, 256)[:, None] * np.sqrt(max(0.0, store.eigenvalues[number]))
    colors = store.mean_image.mean(axis=(0, 1)) + 255 * steps * store.eigenvectors[:, number]
    return as_rgb(np.broadcast_to(np.clip(colors, 0, 255).astype(np.uint8), (64, *colors.shape)))


def _label(axes: Axes, text: str) -> None:
    shown = text if len(text) <= _LONGEST_NAME else f"{text[: _LONGEST_NAME - 1]}…"
    shown = shown.replace("$", r"\$")  # which would begin a formula
    axes.text(-0.06, 0.5, shown, transform=axes.transAxes, ha="right", va="center", fontsize=9, color=_INK)
