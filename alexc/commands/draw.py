"""`alexc draw`: draws a network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from zlib import crc32

import typer

from alexc.compiler.graph.shapes import MOST_PARAMETERS
from alexc.runtime.errors import UserError
from alexc.runtime.files import check_overwritable, write_bytes, write_error, write_text

from ..net_options import NET_FILES, InputShape, MostParameters, read_net
from ..printable import printable

if TYPE_CHECKING:
    from alexc.compiler.drawing.elements import Drawing

_PNG_MADE_BY = "Software\0alexc"  # marks a PNG that alexc wrote
_PNG_HEAD = 33  # bytes of the signature and the first chunk
_PIXELS = 40e6  # the largest PNG; a network that needs more is scaled down


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
    target = out or Path(f"{name}.svg")
    ending = target.suffix.lower()
    if ending not in (".svg", ".png"):
        raise UserError(f"{printable(target)}: a picture's name ends in .svg or .png, as in {printable(name)}.svg")
    from alexc.compiler.drawing.draw import drawing_of  # importing it takes as long as checking a spec
    from alexc.compiler.drawing.svg import MADE_BY, svg_of

    check_overwritable(target, MADE_BY if ending == ".svg" else _PNG_MADE_BY, "give another name with -o")
    picture = drawing_of(read_net(spec, input_, most_parameters).graph)
    if ending == ".svg":
        write_text(target, svg_of(picture, "dark" if dark else "either"))
    else:
        _write_png(target, picture, svg_of(picture, "dark" if dark else "light"))
    print(f"{printable(target)}  written")


def _write_png(target: Path, picture: Drawing, svg: str) -> None:
    """Write the picture at two pixels per SVG unit."""
    from ..png import png_of

    width, height = picture.size
    png = png_of(svg, min(2.0, (_PIXELS / (width * height)) ** 0.5))
    try:
        write_bytes(target, _marked(png))
    except OSError as error:
        raise write_error(target, error) from None


def _marked(png: bytes) -> bytes:
    """The PNG with a text chunk after the first chunk that names alexc."""
    chunk = b"tEXt" + _PNG_MADE_BY.encode()
    size, check = len(chunk) - 4, crc32(chunk)
    return png[:_PNG_HEAD] + size.to_bytes(4, "big") + chunk + check.to_bytes(4, "big") + png[_PNG_HEAD:]
