"""Arguments and options that several commands share, and how they read a network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from alexc.compiler.graph.shapes import MANY_PARAMETERS, MOST_PARAMETERS

from .net import Net
from .terminal import print_message

NET_FILES = "A `.net` file, the files of a Caffe, darknet or cuda-convnet network, or torchvision:NAME."
InputShape = Annotated[
    str | None,
    typer.Option(
        "--input", metavar="CxHxW", help="The input shape, if the files of another program do not contain it."
    ),
]
MostParameters = Annotated[
    int,
    typer.Option(
        metavar="N",
        min=1,
        help=f"Reject a network with more parameters; more than {MANY_PARAMETERS:,} give a warning.",
        show_default=f"{MOST_PARAMETERS:,}",
    ),
]


def read_net(files: Sequence[Path], input_: str | None = None, most_parameters: int = MOST_PARAMETERS) -> Net:
    """Read a network and print its warnings to standard error.

    Raises:
        SpecError: the file cannot be read, or has errors.
    """
    net = Net.from_file(*files, input=input_, most_parameters=most_parameters)
    if net.warnings:
        from .foreign_files import findings_text

        print_message(findings_text(net.warnings))
    return net
