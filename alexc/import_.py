"""`alexc import`: networks of other programs as specs."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Annotated

import typer

from alexc.compiler.arguments import LARGEST_SIZE
from alexc.compiler.diagnostics import Diagnostic, render_all
from alexc.compiler.foreign.network import Assumed
from alexc.compiler.foreign.reading import import_sources, spec_of_read
from alexc.compiler.foreign.spec_of import Written
from alexc.compiler.layers.kind import Shape
from alexc.runtime.errors import UserError
from alexc.runtime.printable import printable
from alexc.spec_file import read_foreign
from alexc.text_file import write_text

TORCHVISION = "torchvision:"


def import_(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE…",
            help="The files of one network: its layers, its solver or parameters; or torchvision:NAME.",
        ),
    ],
    out: Annotated[
        Path | None, typer.Option("-o", "--out", metavar="X.net", help="The spec to write.", show_default="printed")
    ] = None,
    images: Annotated[
        int, typer.Option(metavar="N", min=1, help="The size of the training set, which turns iterations into epochs.")
    ] = Assumed.images,
    input_: Annotated[
        str | None,
        typer.Option("--input", metavar="CxHxW", help="The shape of an image, where the files do not say it."),
    ] = None,
) -> None:
    """Write a network of another program as a spec.

    What a spec cannot say is reported with its line: an error, and no spec, where the network would be another one; a
    warning, and a comment, where only the recipe loses something.
    """
    if out is not None and out.suffix != ".net":
        raise UserError(f"{printable(out)}: the name of a spec ends in `.net`; as in `-o my.net`")
    written = _imported(files, Assumed(images, None if input_ is None else _shape(input_)))
    _report(written)
    if written.text is None:
        raise typer.Exit(1)
    if out is None:
        print(written.text, end="")
        return
    if out.exists():
        raise UserError(f"{printable(out)}: exists; move it away, or give another name with -o")
    write_text(out, written.text, mode=0o644)
    print(f"{printable(out)}  written")


def _shape(text: str) -> Shape:
    sizes = [int(size) for size in text.split("x")] if re.fullmatch(r"[0-9]{1,7}(x[0-9]{1,7}){2}", text) else [0]
    if not all(1 <= size <= LARGEST_SIZE for size in sizes):
        raise UserError(f"--input {printable(text)}: must be channels x height x width, as in 3x227x227")
    return Shape(tuple(sizes))


def _imported(files: list[str], assumed: Assumed) -> Written:
    if any(file.startswith(TORCHVISION) for file in files):
        if len(files) > 1:
            raise UserError(f"{printable(files[1])}: a network of torchvision is imported alone")
        from alexc.torchvision_network import read_torchvision

        return spec_of_read(read_torchvision(files[0].removeprefix(TORCHVISION), assumed.input))
    read = [read_foreign(Path(file)) for file in files]
    unreadable = tuple(finding for _, findings in read for finding in findings)
    return Written(None, unreadable) if unreadable else import_sources([source for source, _ in read], assumed)


def _report(written: Written) -> None:
    """Print the findings, file by file."""
    by_source: dict[int, list[Diagnostic]] = {}
    for finding in written.findings:
        by_source.setdefault(id(finding.span.source), []).append(finding)
    for findings in by_source.values():
        print(render_all(findings[0].span.source, findings), file=sys.stderr)
