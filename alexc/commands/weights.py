"""`alexc weights`: imports and exports weights."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..cli import PlainHelp
from ..printable import printable
from ..table import wrapped
from ..terminal import terminal_width

weights = typer.Typer(name="weights", help="Import or export weights.", no_args_is_help=True, add_completion=False)


@weights.command("import", cls=PlainHelp)
def import_(
    file: Annotated[
        Path,
        typer.Argument(metavar="WEIGHTS", help="A .caffemodel, .weights or .safetensors file, or a checkpoint."),
    ],
    into: Annotated[Path, typer.Option(metavar="NETWORK", help="The compiled network, as in generated/vgg16.py.")],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", metavar="FILE", help="The file to write.", show_default="NETWORK's name with .safetensors"
        ),
    ] = None,
    without: Annotated[
        list[str] | None, typer.Option(metavar="LAYER", help="Skip this layer of WEIGHTS; may be repeated.")
    ] = None,
    bgr: Annotated[
        bool | None,
        typer.Option(
            "--bgr/--no-bgr",
            help="Convert the layers that read the image from BGR to RGB input.",
            show_default="for a .caffemodel",
        ),
    ] = None,
) -> None:
    """Write WEIGHTS under the names of a compiled network, such as those of torchvision's networks.

    Layers are matched by name, or by the order and the shapes of their tensors. The matches are printed.
    """
    from alexc.runtime.network_file import load_module_file

    from ..weights import imported_weights

    target = out or Path(f"{into.stem}.safetensors")
    made = imported_weights(file, load_module_file(into), target, without or [], bgr)
    print(made.text(terminal_width()))


@weights.command(cls=PlainHelp)
def export(
    run: Annotated[
        Path, typer.Argument(metavar="RUN", help="The folder of a run, written by `alexc train`.", show_default=False)
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", metavar="FILE", help="The file to write.", show_default="RUN's name with .safetensors"
        ),
    ] = None,
) -> None:
    """Write the best weights of a run as safetensors, with the spec, the classes and more in its metadata.

    `alexc train --weights` and `alexc weights import` read it.
    """
    from alexc.runtime.exporting.subject import which_weights
    from alexc.runtime.exporting.weights_file import export_weights

    target = out or Path(f"{run.resolve().name}.safetensors")
    metadata = export_weights(run, target)
    error = f", validation error {float(metadata['validation_error']):.1%}" if "validation_error" in metadata else ""
    network, parameters = metadata["network"], int(metadata["parameters"])
    print(f"{printable(target)}  written: {network}, {parameters:,} parameters{error}{which_weights(run)}")
    print("\n".join(wrapped(f"says of itself: {', '.join(metadata)}", terminal_width(), "  ")))
