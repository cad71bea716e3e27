"""`alexc live`: a page that shows what a spec compiles to, while it is edited."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..live import require_extra


def live(
    spec: Annotated[Path, typer.Argument(metavar="SPEC", help="A `.net` file.", show_default=False)],
    other: Annotated[
        Path | None, typer.Argument(metavar="SPEC", help="A second one, to compare with.", show_default=False)
    ] = None,
    port: Annotated[
        int, typer.Option(metavar="N", min=0, max=65535, help="The port of the page.", show_default="a free one")
    ] = 0,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page in the browser.")] = True,
) -> None:
    """Show a spec in the browser, and compile it while you type.

    The page has an editor, the picture, the table, the Python file and the plan of each placement. It answers on
    127.0.0.1 only. It writes the file only when you save.
    """
    require_extra()
    from ..live.server import serve
    from ..live.spec_page import SpecPage

    serve(SpecPage([spec] if other is None else [spec, other]).page(), port=port, open_browser=browser)
