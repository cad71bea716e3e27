"""The network that a command is given: a spec, or what another program wrote."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from alexc.net import Net

NAMED = "A `.net` file; or the files of a network of Caffe, darknet or cuda-convnet, or torchvision:NAME."
Input = Annotated[
    str | None,
    typer.Option(
        "--input", metavar="CxHxW", help="The shape of an image, where another program's file does not say it."
    ),
]


def named_net(files: Sequence[Path], input_: str | None) -> Net:
    """The network; prints to standard error what a foreign file says that a spec cannot.

    Raises:
        SpecError: the file cannot be read, or has mistakes.
    """
    net = Net.from_file(*files, input=input_)
    if net.warnings:
        from alexc.foreign_files import findings_text

        print(findings_text(net.warnings), file=sys.stderr)
    return net
