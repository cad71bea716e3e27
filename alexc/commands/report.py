"""`alexc report`: writes an HTML page about a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..printable import printable
from ..terminal import print_message


def report(
    run: Annotated[
        Path, typer.Argument(metavar="RUN", help="The folder of a run, written by `alexc train`.", show_default=False)
    ],
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", metavar="FILE", help="The file to write.", show_default="report.html in RUN"),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="DATA", help="A folder of images or a store, with the same classes.", show_default="the run's data"
        ),
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="cpu, cuda, cuda:1 or mps.", show_default="cuda if available, else cpu")
    ] = None,
    batch: Annotated[int, typer.Option(min=1, help="Batch size, in views.")] = 128,
) -> None:
    """Write an HTML page about a run.

    It shows the training curves, a drawing of the network, the kernels of the first layer, the most frequent
    confusions, sample predictions, and the nearest training images.
    """
    from alexc.runtime.device import find_device
    from alexc.runtime.evaluation.trained_network import load_trained_network
    from alexc.runtime.reporting.page import make_report, write_report
    from alexc.runtime.runs.run_folder import RunFolder

    from ..run import picture_of

    folder = RunFolder(run)
    trained = load_trained_network(run, find_device(device))
    made = make_report(folder, trained, data, batch, picture_of(folder))
    for reason in made.missing():
        print_message(f"note: {reason}")
    page = out or folder.report
    write_report(made, page)
    print(f"{printable(page)}  written")
