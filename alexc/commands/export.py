"""`alexc export`: exports a trained network to ONNX or torch.export."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ..preparation import Classes, Mean, Resize, Scale, preparation
from ..printable import printable
from ..table import wrapped
from ..terminal import terminal_width

if TYPE_CHECKING:
    from alexc.runtime.exporting.export import Exported


def export(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="RUN", help="The folder of a run, one of its checkpoints, or a compiled network with --weights."
        ),
    ],
    onnx: Annotated[bool, typer.Option("--onnx", help="Write an ONNX file.")] = False,
    torch_export: Annotated[bool, typer.Option("--torch-export", help="Write a torch.export program.")] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            help="The file to write, if only one format is chosen.",
            show_default="RUN's name with .onnx or .pt2",
        ),
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option(
            metavar="WEIGHTS", help="The weights for a compiled network: a run, a checkpoint or a weights file."
        ),
    ] = None,
    softmax: Annotated[bool, typer.Option("--softmax", help="Output probabilities instead of logits.")] = False,
    resize: Resize = None,
    mean: Mean = None,
    scale: Scale = None,
    classes: Classes = None,
) -> None:
    """Export a trained network to ONNX or torch.export.

    The file contains the best weights of the run and accepts any batch size. Its metadata says how to preprocess
    images. Before it is written, its outputs are compared with those of PyTorch.
    """
    asked = [form for form, wanted in ((_ONNX, onnx), (_TORCH_EXPORT, torch_export)) if wanted]
    if not asked:
        raise typer.BadParameter("name one, or both", param_hint="--onnx / --torch-export")
    if out is not None and len(asked) > 1:
        raise typer.BadParameter("names one file, and two are asked for: leave it out", param_hint="--out")
    from alexc.runtime.errors import UserError
    from alexc.runtime.exporting.export import export_network
    from alexc.runtime.files import check_new

    name = source.resolve().name if source.is_dir() else source.stem
    targets = {form: out or Path(f"{name}{form.ending}") for form in asked}
    for form, target in targets.items():
        if target.suffix != form.ending:
            raise UserError(
                f"{printable(target)}: the name of what {form.option} writes ends in {form.ending}, "
                f"as in {printable(name)}{form.ending}"
            )
        check_new(target)
    said = preparation(resize, mean, scale, classes)
    for form, target in targets.items():
        _print_result(source, target, export_network(source, weights, target, form.name, softmax, said))


@dataclass(frozen=True)
class _Form:
    """A file format, its option and its suffix."""

    name: Literal["onnx", "pt2"]
    option: str
    ending: str


_ONNX = _Form("onnx", "--onnx", ".onnx")
_TORCH_EXPORT = _Form("pt2", "--torch-export", ".pt2")


def _print_result(source: Path, target: Path, exported: Exported) -> None:
    from alexc.runtime.exporting.comparison import BATCHES
    from alexc.runtime.exporting.subject import which_weights

    texts, comparison = exported.texts, exported.comparison
    shape, parameters = " x ".join(map(str, exported.input_shape)), int(texts["parameters"])
    which = which_weights(source) if source.is_dir() else ""
    print(f"{printable(target)}  written: {texts['network']}, {parameters:,} parameters{which}")
    images = f"images:  batch x {shape}. {texts['preprocessing']}"
    checked = (
        f"checked: largest difference {comparison.difference:.1g} between its {texts['output']} and torch's, on "
        f"{' and '.join(comparison.images)} images, at batch {' and '.join(map(str, BATCHES))}"
    )
    for text in (images, checked):
        print("\n".join(wrapped(text, terminal_width(), " " * len("checked: "))))
