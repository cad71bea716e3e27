"""The terminal: its width, and messages in color."""

from __future__ import annotations

import os
import shutil
import sys
from typing import TextIO

from .printable import printable_lines

_STYLES = {
    "error": "bold red",
    "warning": "bold yellow",
    "note": "bold cyan",
    "help": "bold green",
    "headline": "bold",
    "margin": "bold blue",
    "mark": "bold red",
    "related": "bold blue",
}
# The parts of a message: the name of each group is a style. An example in `alexc explain` is indented by four blanks.
_PARTS = (
    r"(?m)^ {0,4}(?P<error>error(\[E\d+\])?:)",
    r"(?m)^ {0,4}(?P<warning>warning(\[W\d+\])?:)",
    r"(?m)^ {0,4}(error|warning)\[[EW]\d+\]:(?P<headline>.*)",
    r"(?m)^ {0,4}(?P<note>note:)",
    r"(?m)^ *(?P<margin>\d* \||-->|:::)",
    r"(?m)^ +\| +(?P<mark>\^.*)",
    r"(?m)^ +\| +(?P<related>-.*)",
    r"(?m)^ +(?P<margin>=) (?P<help>help:)",
)


def terminal_width() -> int | None:
    """The columns of the terminal behind standard output; None for a pipe, a file or a notebook."""
    return shutil.get_terminal_size().columns if _is_terminal(sys.stdout) else None


def print_message(text: str, file: TextIO | None = None, flush: bool = False) -> None:
    """Print errors, warnings or notes, made safe to print, and in color on a terminal.

    The text is the same without color. `NO_COLOR`, `FORCE_COLOR` and `TERM=dumb` have their usual meaning.

    Args:
        text: of one or more lines.
        file: where to; None for standard error.
        flush: whether to write it at once.
    """
    target = sys.stderr if file is None else file
    text = printable_lines(text)
    print(_colored(text, target) if _may_have_color(target) else text, file=target, flush=flush)


def _is_terminal(file: object) -> bool:
    """False also for what stands in place of a file: None without a console, or an object of a notebook."""
    ask = getattr(file, "isatty", None)
    return ask is not None and bool(ask())


def _may_have_color(file: TextIO) -> bool:
    """Whether it is worth the time to import rich, which decides."""
    return not os.environ.get("NO_COLOR") and (bool(os.environ.get("FORCE_COLOR")) or _is_terminal(file))


def _colored(text: str, file: TextIO) -> str:
    from rich.console import Console
    from rich.text import Text
    from rich.theme import Theme

    console = Console(file=file, theme=Theme(_STYLES), soft_wrap=True)
    if console.color_system is None or console.legacy_windows:
        return text
    colored = Text(text)
    for part in _PARTS:
        colored.highlight_regex(part)
    with console.capture() as written:
        console.print(colored, end="")
    return written.get()
