"""Breaks long lines of Python text where a formatter would."""

from __future__ import annotations

import re
from collections.abc import Iterator

LINE_LENGTH = 88  # the formatter's default, so that the text also fits projects with longer lines

_CALL = re.compile(r"( *)([^()#]*\()(.+)(\),?)((?:  # .*)?)")  # also a tuple
_OPERAND = r"\w+(?:\[[^\]]*\])?"
_OPERATION = re.compile(rf"( *)(\w+ = )({_OPERAND}(?: [+*] {_OPERAND})+)((?:  # .*)?)")
_IMPORT = re.compile(r"(from \S+ import )(.+)")


def break_long_lines(text: str) -> str:
    """Break every statement that does not fit on its line; docstrings and whatever has no brackets stay.

    An argument or an imported name gets a line of its own, and so does an operand if they do not fit on one line.
    """
    lines: list[str] = []
    in_docstring = False
    for line in text.split("\n"):
        quotes = line.count('"""')
        lines += [line] if in_docstring or quotes else _broken(line)
        in_docstring ^= quotes % 2 == 1
    return "\n".join(lines)


def _broken(line: str) -> list[str]:
    if len(line) <= LINE_LENGTH:
        return [line]
    if found := _CALL.fullmatch(line):
        margin, opening, arguments, closing, comment = found.groups()
        inside = [part for each in _arguments(arguments) for part in _broken(f"{margin}    {each},")]
        return [f"{margin}{opening}", *inside, f"{margin}{closing}{comment}"]
    if found := _OPERATION.fullmatch(line):
        margin, target, operands, comment = found.groups()
        inside = [f"{margin}    {operands}"]
        if len(inside[0]) > LINE_LENGTH:
            inside = [f"{margin}    {each}" for each in re.split(r" (?=[+*] )", operands)]
        return [f"{margin}{target}(", *inside, f"{margin}){comment}"]
    if found := _IMPORT.fullmatch(line):
        return [f"{found[1]}(", *(f"    {name}," for name in found[2].split(", ")), ")"]
    return [line]


def _arguments(text: str) -> Iterator[str]:
    """The parts of a list of arguments, cut at the commas outside of all brackets."""
    depth = start = 0
    for place, letter in enumerate(text):
        depth += (letter in "([{") - (letter in ")]}")
        if letter == "," and depth == 0:
            yield text[start:place].strip()
            start = place + 1
    if last := text[start:].strip():
        yield last
