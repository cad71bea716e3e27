"""`alexc draw`: draws a network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from alexc.compiler.graph.shapes import MOST_PARAMETERS

from ..net_options import NET_FILES, InputShape, MostParameters, read_net
from ..printable import printable


def draw(
    spec: Annotated[list[Path], typer.Argument(metavar="SPEC", help=NET_FILES, show_default=False)],
    out: Annotated[
        Path | None,
        typer.Option(
            "-o", "--out", metavar="FILE", help="The file to write: .svg or .png.", show_default="SPEC's name with .svg"
        ),
    ] = None,
    dark: Annotated[
        bool,
        typer.Option(
            "--dark", help="Use a dark background. By default, an SVG follows the viewer's theme and a PNG is light."
        ),
    ] = False,
    input_: InputShape = None,
    most_parameters: MostParameters = MOST_PARAMETERS,
) -> None:
    """Draw a network.

    A network without branches is drawn as volumes in perspective, as in Figure 2 of the AlexNet paper. A network with
    branches is drawn as a graph of boxes.
    """
    name = spec[0].stem.rpartition(":")[2]  # torchvision:resnet18 is resnet18
    from ..drawing import checked_target  # importing it takes as long as checking a spec

    target = checked_target(out or Path(f"{name}.svg"), name)
    read_net(spec, input_, most_parameters).draw().save(target, "dark" if dark else None)
    print(f"{printable(target)}  written")
