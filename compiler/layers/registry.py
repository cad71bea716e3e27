"""All kinds of layer by their keyword: every file of this folder that defines one."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pkgutil import iter_modules

import alexc.compiler.layers as room
from alexc.compiler.layers.kind import Kind


@cache
def kinds() -> dict[str, type[Kind]]:
    """The kinds, in the order of their keywords. A new kind is a new file here and nothing else."""
    found: dict[str, type[Kind]] = {}
    for module in iter_modules(room.__path__):
        for value in vars(import_module(f"{room.__name__}.{module.name}")).values():
            if isinstance(value, type) and issubclass(value, Kind) and "keyword" in vars(value):
                found[value.keyword] = value
    return dict(sorted(found.items()))
