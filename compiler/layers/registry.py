"""The layer kinds by keyword: each file of this folder that defines a kind with the keyword of the file's name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from .. import layers as room
from .kind import Kind


@cache
def kinds() -> Mapping[str, type[Kind]]:
    """The kinds in alphabetical order. A new kind is one new file in this folder."""
    return _Kinds()


class _Kinds(Mapping[str, type[Kind]]):
    """Imports the file of a kind at its first use, because a spec uses only a few kinds."""

    def __init__(self) -> None:
        self._files = sorted(module.name for module in iter_modules(room.__path__))
        self._read: dict[str, type[Kind] | None] = {}

    def __getitem__(self, keyword: str) -> type[Kind]:
        if keyword not in self._read and keyword in self._files:
            self._read[keyword] = _kind_in(keyword)
        kind = self._read.get(keyword)
        if kind is None:
            raise KeyError(keyword)
        return kind

    def __iter__(self) -> Iterator[str]:
        return (file for file in self._files if file in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _kind_in(file: str) -> type[Kind] | None:
    """The kind with the keyword of the file's name; None for a file that several kinds share."""
    values = vars(import_module(f"{room.__name__}.{file}")).values()
    found = (value for value in values if isinstance(value, type) and issubclass(value, Kind))
    return next((kind for kind in found if vars(kind).get("keyword") == file), None)
