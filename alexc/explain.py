"""`alexc explain`: what the code of a message means."""

from __future__ import annotations

from textwrap import indent
from typing import Annotated

import typer

from alexc.compiler.diagnostics import TITLES, render_all
from alexc.compiler.explain import ZERO_BYTE, Explanation, code_meant, explanation
from alexc.runtime.errors import UserError
from alexc.runtime.printable import printable


def explain(
    code: Annotated[
        str | None, typer.Argument(metavar="CODE", help="A code such as E0301. Without one: the list.")
    ] = None,
) -> None:
    """Explain an error code: what it means, an example, and the way out."""
    if code is None:
        print("\n".join(f"{known}  {title}" for known, title in TITLES.items()))
        return
    meant = code_meant(code)
    if meant is None:
        raise UserError(f"{printable(code)}: there is no such code; `alexc explain` lists all of them")
    print(_page(explanation(meant)))


def _page(page: Explanation) -> str:
    return "\n\n".join(
        [
            f"{page.code}: {page.title}",
            page.text,
            "An example:",
            _indented(page.example.replace("\0", ZERO_BYTE)),
            "What alexc says about it:",
            _indented(render_all(*page.findings(page.example))),
            "Mended:",
            _indented(page.mended),
        ]
    )


def _indented(text: str) -> str:
    return indent(text.rstrip("\n"), "    ", lambda line: bool(line.strip()))
