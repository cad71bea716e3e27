"""A spec that is open in an editor: its text, the result of checking it, and its last valid version."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from alexc.compiler.graph.graph import Graph, Node
from alexc.compiler.pipeline import Checked, check_text
from alexc.compiler.placed_graph.placed_graph import PlacedGraph
from alexc.compiler.text.source import Source, Span
from alexc.compiler.tree.library import Library
from alexc.compiler.tree.syntax import parse
from alexc.compiler.tree.tree import Tree

from .context import word_at
from .positions import Positions
from .symbols import Occurrence, Symbols

LONGEST_TEXT = 2**20  # characters; a longer text has no meaning of words, no folding, and no hints while it has errors


@dataclass(frozen=True)
class Spec:
    """One version of a document.

    Attributes:
        uri: the document's URI.
        checked: the text, its diagnostics, and its graph if it has no errors.
        opened: the texts of all open documents, by resolved path.
        encoding: the encoding whose units the editor counts columns in.
        last_valid: the last earlier version without errors; None if this version has none, or if none was valid.
    """

    uri: str
    checked: Checked
    opened: Mapping[Path, str]
    encoding: str
    last_valid: Spec | None

    @classmethod
    def read(
        cls, uri: str, text: str, path: Path | None, opened: Mapping[Path, str], encoding: str, before: Spec | None
    ) -> Spec:
        """Check a text; `before` is the previous version."""
        checked = check_text(text, path.name if path else uri, path, opened)
        if checked.graph is not None or before is None:
            return cls(uri, checked, opened, encoding, None)
        return cls(uri, checked, opened, encoding, before if before.checked.graph is not None else before.last_valid)

    @property
    def text(self) -> str:
        """The text."""
        return self.checked.source.text

    @property
    def source(self) -> Source:
        """The source that the compiler's spans refer to."""
        return self.checked.source

    @property
    def path(self) -> Path | None:
        """The path of the file, or None."""
        return self.source.path

    @cached_property
    def positions(self) -> Positions:
        """Converts its offsets to the editor's positions."""
        return Positions(self.text, self.encoding)

    @cached_property
    def tree(self) -> Tree:
        """The syntax tree of the lines that can be parsed."""
        return parse(self.source)[0]

    @cached_property
    def symbols(self) -> Symbols:
        """The names in the text."""
        return Symbols(self.tree, Library(self.tree, self.opened).load)

    @property
    def extends_files(self) -> bool:
        """Whether it or its last valid version extends other files."""
        states = [self, *([self.last_valid] if self.last_valid is not None else [])]
        bases = [block.base for each in states for block in each.tree.blocks]
        return any(base is not None and base.path is not None for base in bases)

    @property
    def known_symbols(self) -> Symbols:
        """The names of this text, or of the last valid version if nothing in the text can be parsed."""
        return self.symbols if self.tree.blocks or self.last_valid is None else self.last_valid.symbols

    @property
    def graph(self) -> Graph | None:
        """The network of this version or of the last valid one."""
        return self.checked.graph or (self.last_valid.graph if self.last_valid is not None else None)

    @property
    def placed(self) -> Mapping[str, PlacedGraph]:
        """The placements of `graph`."""
        return self.checked.placed if self.checked.graph or self.last_valid is None else self.last_valid.placed

    def occurrence_at(self, offset: int) -> Occurrence | None:
        """The name at an offset; if nothing can be parsed, the nearest equal name of the last valid version."""
        found = self.symbols.at(offset)
        if found is not None or self.tree.blocks or self.last_valid is None:
            return found
        start, end = word_at(self.text, offset)
        alike = [each for each in self.last_valid.symbols.occurrences if each.span.text == self.text[start:end]]
        return min(alike, key=lambda each: abs(each.span.start - start), default=None)

    def definition(self, offset: int) -> Span | None:
        """Where the name at an offset is defined; for a name that the compiler made, the kind of the layer."""
        occurrence = self.occurrence_at(offset)
        if occurrence is not None:
            return occurrence.definition
        start, end = word_at(self.text, offset)
        for node in self.graph.nodes if self.graph is not None else ():
            if self.text[start:end] in (node.layer.name, node.layer.line):
                return node.layer.span
        return None

    def nodes_at(self, offset: int) -> list[Node]:
        """The layers at an offset: those of the line that a name refers to, or the one whose kind is written here."""
        if self.graph is None:
            return []
        start, end = word_at(self.text, offset)
        nodes = self.graph.nodes
        if self.checked.graph is not None:  # the graph's spans are offsets of this text
            here = [n for n in nodes if n.layer.span.source is self.source and n.layer.span.start == start < end]
            if here:
                return here
        occurrence, word = self.occurrence_at(offset), self.text[start:end]
        if not word or (occurrence is not None and occurrence.kind != "layer"):
            return []
        exact = [node for node in nodes if _is_called(node, word)]
        if occurrence is None or "." in word:
            return exact
        if self._is_in_a_block(occurrence.definition):
            return [
                node for node in nodes if any(_is_numbered(part, occurrence) for part in node.layer.line.split(".")[1:])
            ]
        return exact or [node for node in nodes if _is_numbered(node.layer.statement, occurrence)]

    def _is_in_a_block(self, defined: Span) -> bool:
        lines = self.known_symbols.block_lines.values()
        return any(line.name.span == defined for each in lines for line in each.values())


def _is_called(node: Node, name: str) -> bool:
    """Whether a name is that of the layer, or of its line, its block instance or its statement."""
    layer = node.layer
    return name in (layer.name, layer.line, layer.statement) or layer.line.startswith(f"{name}.")


def _is_numbered(name: str, occurrence: Occurrence) -> bool:
    """Whether a name is the defined name, or that name with the number of a repetition."""
    defined = occurrence.definition.text
    return name.startswith(defined) and not name[len(defined) :].strip("_0123456789")
