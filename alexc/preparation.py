"""The options of `alexc predict` and `alexc export` that say how images are prepared for a compiled network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from alexc.runtime.evaluation.file_weights import Preparation

_MEAN_ENDING = ".binaryproto"

Resize = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="PIXELS",
        help="For a compiled network: scale the shorter side of an image to PIXELS.",
        show_default="the network's input",
    ),
]
Mean = Annotated[
    str | None,
    typer.Option(
        metavar="R,G,B|FILE",
        help="For a compiled network: subtract this from the pixels, which are 0..255; FILE is Caffe's .binaryproto.",
    ),
]
Scale = Annotated[
    str | None,
    typer.Option(metavar="FACTOR", help="For a compiled network: multiply the difference by one number, or by R,G,B."),
]
Classes = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="For a compiled network: the names of the outputs, one in each line, as synset_words.txt."
    ),
]


def preparation(resize: int | None, mean: str | None, scale: str | None, classes: Path | None) -> Preparation:
    """The values of the four options.

    Raises:
        typer.BadParameter: one is not a list of numbers.
        UserError: a file cannot be read.
    """
    from alexc.runtime.caffemodel import read_mean_image
    from alexc.runtime.class_names import read_class_names
    from alexc.runtime.evaluation.file_weights import MeanImage, Preparation

    names = () if classes is None else read_class_names(classes)
    if mean is not None and (mean.endswith(_MEAN_ENDING) or Path(mean).is_file()):
        image = MeanImage(Path(mean), read_mean_image(Path(mean)))
        return Preparation(resize, None, _numbers("--scale", scale), image, names)
    return Preparation(resize, _numbers("--mean", mean), _numbers("--scale", scale), None, names)


def _numbers(option: str, text: str | None) -> tuple[float, ...] | None:
    if text is None:
        return None
    try:
        return tuple(float(each) for each in text.split(","))
    except ValueError:
        raise typer.BadParameter("expected one number, or three as in 104,117,123", param_hint=option) from None
