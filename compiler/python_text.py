"""Values and calls as Python text, laid out as the formatter would."""

from __future__ import annotations

from collections.abc import Sequence

LINE_LENGTH = 88  # the formatter's own default: what fits here fits any project's longer lines


def literal(value: float | int | str | bool | None) -> str:
    """A value as Python writes it; strings in double quotes."""
    if isinstance(value, str):
        text = repr(value)
        return f'"{text[1:-1]}"' if text[0] == "'" and '"' not in text else text
    return repr(value)


def call(name: str, arguments: Sequence[str], indent: int, before: str = "", after: str = "") -> list[str]:
    """The lines of a call, on one line where that fits, otherwise one argument a line.

    `before` and `after` are the text around it, as `RECIPE = ` and `,`; lines come with `indent` blanks in front.
    """
    margin = " " * indent
    line = f"{margin}{before}{name}({', '.join(arguments)}){after}"
    if len(line) <= LINE_LENGTH or not arguments:
        return [line]
    return [f"{margin}{before}{name}(", *(f"{margin}    {each}," for each in arguments), f"{margin}){after}"]
