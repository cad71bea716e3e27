"""The syntax trees of the files that a spec extends."""

from __future__ import annotations

import os
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path

from alexc.nearby import most_like, nearby
from alexc.shipped import shipped_specs

from ..text.diagnostics import Diagnostic
from ..text.fixes import Fix, Help
from ..text.reading import read_source
from ..text.source import Source, Span
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
        self._source = tree.source
        self._trees: dict[Path, Tree | None] = {}
        if tree.source.path is not None:
            self._trees[tree.source.path.resolve()] = tree

    @property
    def files(self) -> frozenset[Path]:
        """The resolved paths of the files that were asked for so far, also of those that cannot be read."""
        own = () if self._source.path is None else (self._source.path.resolve(),)
        return frozenset(self._trees).difference(own)

    def load(self, base: Base, source: Source) -> tuple[Tree | None, list[Diagnostic]]:
        """The tree of the file at `base.path`, a path relative to the folder of `source`, or of the shipped spec."""
        assert base.path is not None
        if source.path is None and base.path not in shipped_specs():
            message = "this spec is not a file, so it cannot extend a file"
            return None, [Diagnostic("E0602", message, base.span, help="extend a block of the same text by its name")]
        if not base.path.endswith(".net"):
            message = f"`{base.span.text}` is not the path of a `.net` file"
            return None, [Diagnostic("E0602", message, base.span, help='for example: `extends "alexnet.net"`')]
        path = Path(base.path) if source.path is None else source.path.parent / base.path
        try:
            if source.path is None or not (path.exists() or path.resolve() in self._opened):
                path = shipped_specs().get(base.path, path)
            known = path.resolve()
            if known not in self._trees:
                self._trees[known] = None
                return self._open(path, known)
            tree = self._trees[known]
            return tree, []
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "it is not a valid path"
            helpful = _help(base, base.path, path) if isinstance(error, FileNotFoundError) else ""
            return None, [Diagnostic("E0602", f"{path} cannot be read: {reason.lower()}", base.span, help=helpful)]

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


def _help(base: Base, named: str, path: Path) -> Help:
    """What there is in place of a missing file: files near it, and shipped specs if only a name was given."""
    like = most_like(path, ".net")
    hint, meant = nearby(path, ".net").removeprefix("; "), "" if like is None else _beside(like, path)
    if "/" in named:
        return Help(hint, _renamed(base, named, meant))
    near = get_close_matches(Path(named).stem, [path.stem for path in shipped_specs().values()], n=1)
    if near:
        meant = f"{near[0]}.net"
        hint = f"did you mean `{meant}`, which ships with alexc?"
    elif not meant:
        hint = "`alexc examples` lists those that do"
    text = f"no file of this name lies beside the spec, and none ships with alexc; {hint}"
    return Help(text, _renamed(base, named, meant))


def _beside(found: Path, path: Path) -> str:
    """The path of a file as `extends` names it, where `path` is missing."""
    return Path(os.path.relpath(found, path.parent)).as_posix()


def _renamed(base: Base, named: str, meant: str) -> Fix | None:
    """The edit that extends another file; None if no other file is meant."""
    if not meant or '"' in meant or not meant.isprintable():
        return None
    start = base.span.start + 1  # after the quotation mark
    folder, slash, _ = named.rpartition("/")
    return Fix(Span(base.span.source, start, start + len(named)), f"{folder}{slash}{meant}")
