"""`alexc explain`: explains error codes."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from textwrap import indent
from typing import Annotated

import typer

from alexc.compiler.pipeline import check_bytes
from alexc.compiler.text.diagnostics import TITLES, Diagnostic, render_all
from alexc.compiler.text.explain import ZERO_BYTE, Explanation, code_meant, explanation
from alexc.compiler.text.source import Source
from alexc.runtime.errors import UserError

from ..printable import printable
from ..table import filled, listed
from ..terminal import print_message, terminal_width


def explain(
    code: Annotated[
        str | None, typer.Argument(metavar="CODE", help="A code such as E0301. Without it, all codes are listed.")
    ] = None,
) -> None:
    """Explain an error code, with an example and its fix."""
    if code is None:
        print("\n".join(listed(TITLES.items(), terminal_width())))
        return
    meant = code_meant(code)
    if meant is None:
        raise UserError(f"{printable(code)}: there is no such code; `alexc explain` lists all of them")
    print_message(_page(explanation(meant), terminal_width()), sys.stdout)


def _page(page: Explanation, width: int | None) -> str:
    return "\n\n".join(
        [
            f"{page.code}: {page.title}",
            filled(page.text, width),
            "An example:",
            _indented(page.example.replace("\0", ZERO_BYTE)),
            "What alexc says about it:",
            _indented(render_all(*findings_in(page.example, page.language))),
            "Fixed:",
            _indented(page.fixed),
        ]
    )


def _indented(text: str) -> str:
    return indent(text.rstrip("\n"), "    ", lambda line: bool(line.strip()))


def findings_in(text: str, language: str) -> tuple[Source, Sequence[Diagnostic]]:
    """What alexc reports about an example in `language`, which is "net" or the format of a foreign file."""
    if language == "net":
        checked = check_bytes(text.encode(), "example.net")
        return checked.source, checked.diagnostics
    from alexc.importers.foreign.network import Assumptions  # as long to import as a spec takes to check
    from alexc.importers.pipeline import import_sources

    source = Source(f"example.{language}", text)
    return source, import_sources([source], Assumptions()).findings
