"""Values, calls and imports as Python text, formatted as ruff formats them."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Sequence

LINE_LENGTH = 88  # ruff's default, so the generated file fits every project with this limit or a higher one


def literal(value: float | int | str | bool | None) -> str:
    """A value as a Python literal, with strings in double quotes."""
    if isinstance(value, str):
        text = repr(value)
        return f'"{text[1:-1]}"' if text[0] == "'" and '"' not in text else text
    return repr(value)


def in_tuple(items: Sequence[str]) -> str:
    """The text of a tuple of expressions."""
    return f"({items[0]},)" if len(items) == 1 else f"({', '.join(items)})"


def call(
    name: str, arguments: Sequence[str | tuple[str, ...]], indent: int, before: str = "", after: str = ""
) -> list[str]:
    """The lines of a call: one line if it fits, otherwise one line per argument. An argument can be a tuple.

    `before` and `after` are the text around the call, such as `RECIPE = ` and `,`. Lines are indented by `indent`.
    """
    margin = " " * indent
    texts = [each if isinstance(each, str) else f"({', '.join(each)})" for each in arguments]
    line = f"{margin}{before}{name}({', '.join(texts)}){after}"
    if len(line) <= LINE_LENGTH or not arguments:
        return [line]
    lines = [f"{margin}{before}{name}("]
    for argument, text in zip(arguments, texts, strict=True):
        if isinstance(argument, str) or len(margin) + 4 + len(text) + 1 <= LINE_LENGTH:
            lines.append(f"{margin}    {text},")
        else:
            lines += call("", argument, indent + 4, after=",")
    return [*lines, f"{margin}){after}"]


def operation(symbol: str, operands: Sequence[str], indent: int, before: str, after: str) -> list[str]:
    """The lines of operands with an operator between them: one line if it fits."""
    margin = " " * indent
    line = f"{margin}{before}{f' {symbol} '.join(operands)}{after}"
    if len(line) <= LINE_LENGTH:
        return [line]
    first, *others = operands
    return [
        f"{margin}{before}(",
        f"{margin}    {first}",
        *(f"{margin}    {symbol} {each}" for each in others),
        f"{margin}){after}",
    ]


def import_sections(statements: Iterable[str]) -> list[list[str]]:
    """Merge and sort import statements into the sections of isort: the standard library, and other packages.

    alexc is one of the other packages, because the generated file belongs to a project of the user.
    """
    modules: dict[str, set[str]] = {}
    sections: tuple[list[str], ...] = ([], [])
    for statement in sorted(set(statements), key=lambda each: (each.startswith("from "), each.lower())):
        parts = re.fullmatch(r"from (\S+) import (\S+(?:, \S+)*)", statement)
        if parts is None:
            sections[_section(statement.split()[1])].append(statement)
        else:
            modules.setdefault(parts[1], set()).update(parts[2].split(", "))
    for module in sorted(modules):
        names = sorted(modules[module], key=_import_order)
        sections[_section(module)].extend(_from_import(module, names))
    return [section for section in sections if section]


def _section(module: str) -> int:
    root = module.split(".")[0]
    return 0 if root in sys.stdlib_module_names else 1


def _import_order(name: str) -> tuple[int, str]:
    """Constants, then classes, then functions."""
    return (0 if name.isupper() and len(name) > 1 else 1 if name[0].isupper() else 2, name.lower())


def _from_import(module: str, names: Sequence[str]) -> list[str]:
    line = f"from {module} import {', '.join(names)}"
    if len(line) <= LINE_LENGTH:
        return [line]
    return [f"from {module} import (", *(f"    {name}," for name in names), ")"]
