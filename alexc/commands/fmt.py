"""`alexc fmt`: formats specs."""

from __future__ import annotations

import re
from difflib import unified_diff
from pathlib import Path
from stat import S_IMODE
from typing import Annotated

import typer

from alexc.compiler.tree.format import format_spec
from alexc.runtime.files import write_text

from ..failures import OneByOne
from ..printable import printable, printable_lines, shell_line
from ..spec_error import SpecError
from ..spec_file import read_unchecked


def fmt(
    specs: Annotated[list[Path], typer.Argument(metavar="SPEC", help="The `.net` files to format.")],
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit with 1 if a file is not formatted.")
    ] = False,
    diff: Annotated[
        bool, typer.Option("--diff", help="Write nothing; show what would change, with the exit code of --check.")
    ] = False,
) -> None:
    """Format specs in the canonical style.

    Comments stay where they are. A file with errors is reported and not changed; the exit code is then 1.
    """
    stale, files = False, OneByOne()
    for path in specs:
        with files.reported():
            before, after = _texts(path)
            if diff:
                print(_diff(path, before, after), end="")
            elif check and before != after:
                print(f"{printable(path)}: is not formatted; run `alexc fmt {shell_line(path)}`")
            elif not check:
                if before != after:
                    _rewrite(path, after)
                print(f"{printable(path)}: {'unchanged' if before == after else 'formatted'}")
            stale = stale or ((check or diff) and before != after)
    if files.failed or stale:
        raise typer.Exit(1)


def _texts(path: Path) -> tuple[str, str]:
    """A spec's text before and after formatting.

    Raises:
        SpecError: it has errors.
    """
    source, diagnostics = read_unchecked(path)
    text = None
    if not diagnostics:
        text, diagnostics = format_spec(source)
    if text is None:
        raise SpecError.of(source, diagnostics)
    return source.text, text


def _rewrite(path: Path, text: str) -> None:
    target = path.resolve()
    write_text(target, text, S_IMODE(target.stat().st_mode))


def _diff(path: Path, before: str, after: str) -> str:
    """The changes, safe to print: comments can hold any character."""
    old, new = (re.findall(r"[^\n]*\n|[^\n]+", text) for text in (before, after))
    return "".join(
        printable_lines(line) if line.endswith("\n") else f"{printable_lines(line)}\n\\ No newline at end of file\n"
        for line in unified_diff(old, new, printable(path), f"{printable(path)}, formatted")
    )
