"""`alexc predict`: classifies images with a trained network."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from ..preparation import Classes, Mean, Resize, Scale, preparation

EXIT_UNUSABLE_FILE = 1


def predict(
    run: Annotated[
        Path,
        typer.Argument(
            metavar="RUN",
            help="The folder of a run, one of its checkpoints, or a compiled network with --weights.",
            show_default=False,
        ),
    ],
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE", help="Image files.", show_default=False)],
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
) -> None:
    """Print the five most likely classes of each image.

    An unusable file is reported by name and the other images are still classified; the exit code is then 1.
    """
    from alexc.runtime.data.decoding_work import BadImage
    from alexc.runtime.device import find_device
    from alexc.runtime.evaluation.file_weights import load_classifier
    from alexc.runtime.evaluation.prediction import predict as guess

    from ..printable import printable

    trained = load_classifier(run, weights, preparation(resize, mean, scale, classes), find_device(device))
    bad = False
    for image in images:
        try:
            guesses = guess(trained, image)
        except BadImage as reason:
            bad = True
            print(f"error: {printable(image)} cannot be used: {reason}", file=sys.stderr)
            continue
        print(printable(image))
        for each in guesses:
            print(f"{each.probability:>8.1%}  {each.name}")
    if bad:
        raise typer.Exit(EXIT_UNUSABLE_FILE)
