"""The syntax trees of the files that a spec extends."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from ..text.diagnostics import Diagnostic
from ..text.reading import read_source
from ..text.source import Source
from .syntax import parse
from .tree import Base, Tree


class Library:
    """Reads and parses each file once.

    Args:
        tree: the spec that extends other files.
        opened: the unsaved texts of an editor by resolved path; each one replaces the text of the file.
    """

    def __init__(self, tree: Tree, opened: Mapping[Path, str]) -> None:
        self._opened = opened
        self._trees: dict[Path, Tree | None] = {}
        if tree.source.path is not None:
            self._trees[tree.source.path.resolve()] = tree

    def load(self, base: Base, source: Source) -> tuple[Tree | None, list[Diagnostic]]:
        """The tree of the file at `base.path`, a path relative to the folder of `source`."""
        assert base.path is not None
        if source.path is None:
            message = "this spec is not a file, so it cannot extend a file"
            return None, [Diagnostic("E0602", message, base.span, help="extend a block of the same text by its name")]
        if not base.path.endswith(".net"):
            message = f"`{base.span.text}` is not the path of a `.net` file"
            return None, [Diagnostic("E0602", message, base.span, help='for example: `extends "../spec/alexnet.net"`')]
        path = source.path.parent / base.path
        try:
            known = path.resolve()
            if known not in self._trees:
                self._trees[known] = None
                return self._open(path, known)
            tree = self._trees[known]
            return tree, []
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "it is not a valid path"
            return None, [Diagnostic("E0602", f"{path} cannot be read: {reason.lower()}", base.span)]

    def _open(self, path: Path, known: Path) -> tuple[Tree | None, list[Diagnostic]]:
        name = os.path.normpath(path)
        if known in self._opened:
            source = Source(name, self._opened[known], path)
        else:
            source, diagnostics = read_source(path, name)
            if diagnostics:
                return None, diagnostics
        tree, diagnostics = parse(source)
        if diagnostics:
            return None, diagnostics
        self._trees[known] = tree
        return tree, []
