"""`alexc check`: what is wrong with a spec."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from alexc.compiler.diagnostics import render_all
from alexc.spec_file import read_spec


def check(specs: Annotated[list[Path], typer.Argument(metavar="SPEC…", help="The `.net` files to check.")]) -> None:
    """Check specs and say what is wrong with them. Ends with 1 where anything is."""
    failed = False
    for path in specs:
        checked = read_spec(path)
        failed = failed or checked.graph is None
        if checked.graph is None:
            print(render_all(checked.source, checked.diagnostics))
        else:
            print(f"{path}: no errors")
    if failed:
        raise typer.Exit(1)
