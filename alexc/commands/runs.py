"""`alexc runs`: lists training runs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from ..table import aligned


def runs(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder that contains runs, at any depth.")] = Path(
        "runs"
    ),
) -> None:
    """List training runs side by side.

    Shows the settings, the best validation error and the last loss of each run, the oldest first.
    """
    from alexc.runtime.runs.run_list import HEADER, NUMERIC, run_rows

    rows, damaged = run_rows(folder)
    if rows:
        print("\n".join(aligned([HEADER, *rows], NUMERIC)))
    for line in damaged:
        print(f"warning: {line}", file=sys.stderr)
