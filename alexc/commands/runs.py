"""`alexc runs`: lists training runs."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from ..live import require_extra
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
    live: Annotated[
        bool, typer.Option("--live", help="Show the curves in the browser while the runs are trained.")
    ] = False,
    port: Annotated[
        int, typer.Option(metavar="N", min=0, max=65535, help="The port of --live.", show_default="a free one")
    ] = 0,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Whether --live opens the page in the browser.")
    ] = True,
) -> None:
    """List training runs side by side.

    Shows the settings, the best validation error and the last loss of each run, the oldest first. With --live, a page
    in the browser shows the curves and follows them. It answers on 127.0.0.1 only, and changes nothing.
    """
    if live:
        _serve(folder, port, browser)
        return
    from alexc.runtime.runs.run_list import HEADER, NUMERIC, SPARE, listed_runs, run_row, runs_json

    found, damaged = listed_runs(folder)
    if format is Format.JSON:
        print(runs_json(found))
    elif found:
        rows = [HEADER, *(run_row(each, folder) for each in found)]
        print("\n".join(aligned(rows, NUMERIC, terminal_width(), SPARE)))
    for line in damaged:
        print_message(f"warning: {line}")


def _serve(folder: Path, port: int, browser: bool) -> None:
    require_extra()
    from alexc.runtime.runs.run_list import check_folder

    from ..live.runs_page import RunsPage
    from ..live.server import serve

    check_folder(folder)
    serve(RunsPage(folder).page(), port=port, open_browser=browser)
