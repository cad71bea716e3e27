"""`alexc runs`: lists training runs."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from ..table import aligned
from ..terminal import print_message, terminal_width


class Format(StrEnum):
    """The output formats."""

    TEXT = "text"
    JSON = "json"


def runs(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder that contains runs, at any depth.")] = Path(
        "runs"
    ),
    format: Annotated[Format, typer.Option(help="The output format.")] = Format.TEXT,
) -> None:
    """List training runs side by side.

    Shows the settings, the best validation error and the last loss of each run, the oldest first.
    """
    from alexc.runtime.runs.run_list import HEADER, NUMERIC, SPARE, listed_runs, run_rows, runs_json

    if format is Format.JSON:
        found, damaged = listed_runs(folder)
        print(runs_json(found))
    else:
        rows, damaged = run_rows(folder)
        if rows:
            print("\n".join(aligned([HEADER, *rows], NUMERIC, terminal_width(), SPARE)))
    for line in damaged:
        print_message(f"warning: {line}")
