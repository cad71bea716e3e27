"""A registry of the classes that a folder defines: one class per file, and the file is named after its keyword."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType
from typing import TypeVar

from .layers.arguments import Arguments

Defined = TypeVar("Defined", bound=Arguments)


class Registry(Mapping[str, type[Defined]]):
    """The classes of a package's modules in alphabetical order of their keywords.

    A module is imported at the first use of its class, because a spec uses only a few of them.

    Args:
        package: the folder.
        base: what the classes derive from.
    """

    def __init__(self, package: ModuleType, base: type[Defined]) -> None:
        self._package, self._base = package.__name__, base
        self._files = sorted(module.name for module in iter_modules(package.__path__))
        self._read: dict[str, type[Defined] | None] = {}

    def __getitem__(self, keyword: str) -> type[Defined]:
        if keyword not in self._read and keyword in self._files:
            self._read[keyword] = self._defined_in(keyword)
        found = self._read.get(keyword)
        if found is None:
            raise KeyError(keyword)
        return found

    def __iter__(self) -> Iterator[str]:
        return (file for file in self._files if file in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _defined_in(self, file: str) -> type[Defined] | None:
        """The class with the keyword of the file's name; None for a file that several classes share."""
        values = vars(import_module(f"{self._package}.{file}")).values()
        found = (value for value in values if isinstance(value, type) and issubclass(value, self._base))
        return next((each for each in found if vars(each).get("keyword") == file), None)
