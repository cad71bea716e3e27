"""The import statements of a generated file, in the order that isort gives them."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterable


def import_sections(statements: Iterable[str]) -> list[list[str]]:
    """Merge and sort import statements; the standard library is one section, everything else another.

    alexc stands among the other packages, because that is what it is in a user's project.
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
        names = ", ".join(sorted(modules[module], key=_import_order))
        sections[_section(module)].append(f"from {module} import {names}")
    return [section for section in sections if section]


def single_import(statement: ast.Import | ast.ImportFrom, name: ast.alias) -> str:
    """The import statement for one of the names of an absolute one."""
    single = ast.Import([name]) if isinstance(statement, ast.Import) else ast.ImportFrom(statement.module, [name], 0)
    return ast.unparse(single)


def _section(module: str) -> int:
    root = module.split(".")[0]
    return 0 if root in sys.stdlib_module_names else 1


def _import_order(name: str) -> tuple[int, str]:
    """Constants, then classes, then functions."""
    return (0 if name.isupper() and len(name) > 1 else 1 if name[0].isupper() else 2, name.lower())
