"""The options of `alexc predict` and `alexc export` that say how images are prepared for a compiled network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from alexc.runtime.evaluation.file_weights import Preparation

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
    typer.Option(metavar="R,G,B", help="For a compiled network: subtract this from the pixels, which are 0..255."),
]
Scale = Annotated[
    str | None,
    typer.Option(metavar="FACTOR", help="For a compiled network: multiply the difference by one number, or by R,G,B."),
]


def preparation(resize: int | None, mean: str | None, scale: str | None) -> Preparation:
    """The values of the three options.

    Raises:
        typer.BadParameter: one is not a list of numbers.
    """
    from alexc.runtime.evaluation.file_weights import Preparation

    return Preparation(resize, _numbers("--mean", mean), _numbers("--scale", scale))


def _numbers(option: str, text: str | None) -> tuple[float, ...] | None:
    if text is None:
        return None
    try:
        return tuple(float(each) for each in text.split(","))
    except ValueError:
        raise typer.BadParameter("expected one number, or three as in 104,117,123", param_hint=option) from None
