"""`alexc examples`: lists and copies the specs that ship with alexc."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from alexc.compiler.text.fixes import did_you_mean
from alexc.runtime.errors import UserError
from alexc.runtime.files import check_new, write_error, write_new

from ..printable import printable
from ..shipped import shipped_specs
from ..table import aligned
from ..terminal import terminal_width


def examples(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="EXAMPLE", help="The examples to copy, such as resnet50.", show_default=False),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="DIR",
            help="Copy to this folder; all of them if no EXAMPLE is given.",
            show_default="the current folder",
        ),
    ] = None,
) -> None:
    """List the specs that ship with alexc, or copy them.

    A spec can also extend them by name, without a copy: network Mine extends "resnet50.net" { … }
    """
    if not names and out is None:
        rows = [("example", "network"), *((path.stem, _headline(path)) for path in shipped_specs().values())]
        print("\n".join(aligned(rows, (), terminal_width())))
        return
    chosen = [example(name) for name in names or shipped_specs()]
    folder = out or Path()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise write_error(folder, error) from None
    for path in chosen:
        check_new(folder / path.name)
    for path in chosen:
        write_new(folder / path.name, path.read_bytes())
        print(f"{printable(folder / path.name)}  written")


def example(name: str) -> Path:
    """The shipped spec of this name, with or without its suffix.

    Raises:
        UserError: there is none.
    """
    specs = shipped_specs()
    found = specs.get(name.removesuffix(".net") + ".net")
    if found is None:
        stems = [path.stem for path in specs.values()]
        raise UserError(f"{printable(name)}: no example has this name; {did_you_mean(name, stems)}")
    return found


def _headline(path: Path) -> str:
    """The comment at the start of the file, without the mark."""
    with path.open(encoding="utf-8") as file:
        return file.readline().removeprefix("#").strip()
