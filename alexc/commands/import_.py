"""`alexc import`: converts networks of other programs to specs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from alexc.compiler.graph.shapes import MOST_PARAMETERS
from alexc.runtime.errors import UserError
from alexc.runtime.files import write_text

from ..net_options import MostParameters
from ..printable import printable
from ..terminal import print_message

IMAGENET = 1_281_167  # training images


def import_(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE",
            help="The files of one network (layers, and solver or parameters), or torchvision:NAME.",
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", metavar="FILE", help="The spec to write: a `.net` file.", show_default="printed"),
    ] = None,
    images: Annotated[
        int, typer.Option(metavar="N", min=1, help="The size of the training set, to convert iterations to epochs.")
    ] = IMAGENET,
    input_: Annotated[
        str | None,
        typer.Option("--input", metavar="CxHxW", help="The input shape, if the files do not contain it."),
    ] = None,
    from_start: Annotated[
        bool,
        typer.Option(
            "--from-start",
            help="Write rates of a beginning where cuda-convnet's file has those of the end of a run.",
        ),
    ] = False,
    most_parameters: MostParameters = MOST_PARAMETERS,
) -> None:
    """Convert a network of Caffe, cuda-convnet, darknet or torchvision to a spec.

    What a spec cannot express is reported with its line. If it changes the network, it is an error and no spec is
    written. If it changes only the recipe, it is a warning and a comment in the spec.
    """
    if out is not None and out.suffix != ".net":
        raise UserError(f"{printable(out)}: the name of a spec ends in `.net`; as in `-o my.net`")
    from alexc.importers.foreign.network import Assumptions

    from ..foreign_files import assumed_input, findings_text, imported

    written = imported(files, Assumptions(images, assumed_input(input_), most_parameters, from_start))
    if written.findings:
        print_message(findings_text(written.findings))
    if written.text is None:
        raise typer.Exit(1)
    if out is None:
        print(written.text, end="")
        return
    if out.exists():
        raise UserError(f"{printable(out)}: exists; move it away, or give another name with -o")
    write_text(out, written.text)
    print(f"{printable(out)}  written")
