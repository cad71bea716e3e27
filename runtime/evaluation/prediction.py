"""Predicts the classes of image files, for `alexc predict`."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from alexc.printable import printable

from ..data.decode import decode, read_file, scale_and_crop
from ..data.decoding_work import BadImage
from ..data.folder_layout import is_ignored
from ..data.folder_tree import DISK
from ..data.image_folder import files_below
from ..errors import UserError
from ..label_losses import scores_of
from ..recipes import CrossEntropy
from .measure import TOP, answers_of, average
from .trained_network import TrainedNetwork

_NOT_IN_PNG = ("CMYK", "YCbCr", "LAB", "HSV")


@dataclass(frozen=True)
class Guess:
    """A class name, safe to print, and its probability in 0..1; for the losses of squares, the output itself."""

    name: str
    probability: float


def image_files(paths: Sequence[Path]) -> Iterator[Path]:
    """The files of some paths; of a folder, those at any depth that are not clearly something else, sorted.

    Raises:
        UserError: a folder cannot be read, or has no images.
    """
    for path in paths:
        if not path.is_dir():
            yield path
            continue
        found = [entry.path for entry in files_below(DISK, path) if not is_ignored(entry.name)]
        if not found:
            raise UserError(f"{printable(path)} has no images")
        yield from map(Path, sorted(found))


def predict(trained: TrainedNetwork, image: Path | Image.Image, top: int = TOP) -> list[Guess]:
    """The most likely classes of an image, prepared as in training and averaged over the recipe's test views.

    Args:
        trained: the network.
        image: the file, or an image of Pillow.
        top: the number of classes; all if the network has fewer.

    Raises:
        BadImage: the file cannot be used as an image.
    """
    geometry = trained.statistics.geometry
    content, ending = (read_file(image), image.suffix) if isinstance(image, Path) else (_as_png(image), ".png")
    pixels, _ = decode(content, ending, channels=geometry.channels, bits=geometry.bits)
    stored = scale_and_crop(pixels, geometry)
    views, renderer = trained.test_views(), trained.renderer()
    channels, height, width = trained.file.input_shape
    rendered = np.empty((len(views), height, width, channels), np.float32)
    for view, out in zip(views, rendered, strict=True):
        renderer.render(stored, view, out)
    shown = torch.from_numpy(rendered).permute(0, 3, 1, 2)
    loss = trained.file.recipe.loss
    answers = answers_of(trained.network, shown, len(views), loss)
    of_classes = isinstance(loss, CrossEntropy)
    probabilities = average(answers).exp() if of_classes else scores_of(loss, answers).mean(1)
    best = probabilities[0].topk(min(top, trained.outputs))
    return [
        Guess(trained.class_name(output), probability)
        for output, probability in zip(best.indices.tolist(), best.values.tolist(), strict=True)
    ]


def _as_png(image: Image.Image) -> bytes:
    """The image as a file, so that it is decoded as every other one.

    Raises:
        BadImage: the mode of the image has no counterpart in a file.
    """
    written = io.BytesIO()
    try:
        (image.convert("RGB") if image.mode in _NOT_IN_PNG else image).save(written, "PNG")
    except OSError as error:
        raise BadImage(str(error)) from None
    return written.getvalue()
