"""`alexc export`: a trained network for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def export(
    source: Annotated[
        Path, typer.Argument(metavar="RUN", help="A run's folder, or a compiled network with --weights.")
    ],
    onnx: Annotated[bool, typer.Option("--onnx", help="Write an ONNX file.")] = False,
    torch_export: Annotated[bool, typer.Option("--torch-export", help="Write a program of torch.export.")] = False,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="The file to write.", show_default="RUN's name with .onnx or .pt2"),
    ] = None,
    weights: Annotated[
        Path | None, typer.Option(help="The weights of a compiled network: a run, a checkpoint or a file.")
    ] = None,
    softmax: Annotated[bool, typer.Option("--softmax", help="Give probabilities, not logits.")] = False,
) -> None:
    """Write the network of a run with its best weights, for batches of any size, and compare it with torch.

    The file says how images are made ready for it.
    """
    if onnx == torch_export:
        raise typer.BadParameter("name one of --onnx and --torch-export", param_hint="--onnx / --torch-export")
    from alexc.runtime.errors import UserError
    from alexc.runtime.exporting.checked import BATCHES
    from alexc.runtime.exporting.export import export_network
    from alexc.runtime.exporting.subject import which_weights
    from alexc.runtime.printable import printable

    name = source.resolve().name if source.is_dir() else source.stem
    option, ending = ("--onnx", ".onnx") if onnx else ("--torch-export", ".pt2")
    target = out or Path(f"{name}{ending}")
    if target.suffix != ending:
        raise UserError(
            f"{printable(target)}: the name of what {option} writes ends in {ending}, as in {printable(name)}{ending}"
        )
    exported = export_network(source, weights, target, "onnx" if onnx else "pt2", softmax)
    texts, check = exported.texts, exported.check
    size, parameters = texts["size"], int(texts["parameters"])
    which = which_weights(source) if source.is_dir() else ""
    print(f"{printable(target)}  written: {texts['network']}, {parameters:,} parameters{which}")
    print(f"images:  batch x 3 x {size} x {size}. {texts['preprocessing']}")
    print(
        f"checked: largest difference {check.difference:.1g} between its {texts['output']} and torch's, on "
        f"{' and '.join(check.images)} images, at batch {' and '.join(map(str, BATCHES))}"
    )
