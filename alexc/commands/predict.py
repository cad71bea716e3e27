"""`alexc predict`: classifies images with a trained network."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..preparation import Classes, Mean, Resize, Scale, preparation
from ..printable import printable
from ..table import listed
from ..terminal import print_message, terminal_width

if TYPE_CHECKING:
    from alexc.runtime.evaluation.prediction import Guess

EXIT_UNUSABLE_FILE = 1


class Format(StrEnum):
    """The output formats."""

    TEXT = "text"
    JSON = "json"
    CSV = "csv"


def predict(
    run: Annotated[
        Path,
        typer.Argument(
            metavar="RUN",
            help="The folder of a run, one of its checkpoints, or a compiled network with --weights.",
            show_default=False,
        ),
    ],
    images: Annotated[
        list[Path], typer.Argument(metavar="IMAGE", help="Image files, or folders of them.", show_default=False)
    ],
    device: Annotated[
        str | None, typer.Option(help="cpu, cuda, cuda:1 or mps.", show_default="cuda if available, else cpu")
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option(
            metavar="WEIGHTS", help="The weights for a compiled network: a run, a checkpoint or a weights file."
        ),
    ] = None,
    resize: Resize = None,
    mean: Mean = None,
    scale: Scale = None,
    classes: Classes = None,
    top: Annotated[int, typer.Option(min=1, metavar="K", help="Print the K most likely classes.")] = 5,
    format: Annotated[Format, typer.Option(help="The output format.")] = Format.TEXT,
) -> None:
    """Print the most likely classes of each image.

    An unusable file is reported by name and the other images are still classified; the exit code is then 1.
    """
    from alexc.runtime.data.decoding_work import BadImage
    from alexc.runtime.device import find_device
    from alexc.runtime.evaluation.file_weights import load_classifier
    from alexc.runtime.evaluation.prediction import image_files
    from alexc.runtime.evaluation.prediction import predict as guess

    trained = load_classifier(run, weights, preparation(resize, mean, scale, classes), find_device(device))
    show = {Format.TEXT: _Text, Format.JSON: _Json, Format.CSV: _Csv}[format]()
    bad = False
    for image in image_files(images):
        try:
            show.guesses(image, guess(trained, image, top))
        except BadImage as reason:
            bad = True
            print_message(f"error: {printable(image)} cannot be used: {reason}")
            show.fault(image, str(reason))
    show.end()
    if bad:
        raise typer.Exit(EXIT_UNUSABLE_FILE)


class _Text:
    """Prints the answer for each image as soon as it is known."""

    def guesses(self, image: Path, guesses: Sequence[Guess]) -> None:
        print(printable(image))
        rows = [(f"{each.probability:>8.1%}", each.name) for each in guesses]
        print("\n".join(listed(rows, terminal_width())))

    def fault(self, image: Path, reason: str) -> None:
        pass

    def end(self) -> None:
        pass


class _Csv(_Text):
    """A line for each class of an image, its rank from 1 on."""

    def __init__(self) -> None:
        self._print(("file", "rank", "class", "probability"))

    def guesses(self, image: Path, guesses: Sequence[Guess]) -> None:
        for rank, each in enumerate(guesses, 1):
            self._print((printable(image), rank, each.name, each.probability))

    def _print(self, values: Sequence[object]) -> None:
        csv.writer(sys.stdout, lineterminator="\n").writerow(values)


class _Json(_Text):
    """A list with an object for each image."""

    def __init__(self) -> None:
        self._images = 0

    def guesses(self, image: Path, guesses: Sequence[Guess]) -> None:
        self._print({"file": str(image), "classes": [{"class": g.name, "probability": g.probability} for g in guesses]})

    def fault(self, image: Path, reason: str) -> None:
        self._print({"file": str(image), "error": reason})

    def end(self) -> None:
        print("\n]" if self._images else "[]")

    def _print(self, value: dict[str, object]) -> None:
        print(",\n" if self._images else "[\n", json.dumps(value), sep="", end="")
        self._images += 1
