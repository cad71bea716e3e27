"""The names in a file: every occurrence, and where each name is defined."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from alexc.compiler.layers.kind import Join
from alexc.compiler.layers.registry import kinds
from alexc.compiler.net.base_chain import Load, chain_of
from alexc.compiler.net.network_block import is_setting
from alexc.compiler.text.source import Span
from alexc.compiler.tree.tree import (
    Argument,
    Block,
    Call,
    Change,
    LayerRange,
    Nested,
    Pipeline,
    Statement,
    Step,
    Tree,
    Value,
    Word,
    first_word,
)
from alexc.compiler.vocabulary import (
    AFTER,
    BEFORE,
    BLOCK,
    BY,
    EVERY,
    IN,
    KEEP,
    LINKING_WORDS,
    MESH,
    NETWORK,
    ON,
    PLACEMENT,
    SPLIT,
    WITHOUT,
)

SymbolKind = Literal["layer", "block", "parameter", "axis", "network", "placement", "file"]


@dataclass(frozen=True)
class Occurrence:
    """A name in the text, and its definition: the same span, one above it, or one in another file."""

    span: Span
    definition: Span
    kind: SymbolKind


@dataclass(frozen=True)
class Line:
    """A named line. `block` is the block that it instantiates, or None."""

    name: Word
    repeated: bool
    block: str | None


class Symbols:
    """The names of a file.

    Attributes:
        occurrences: all occurrences, in the order of the blocks.
        lines: the named lines of the file's last network and of the networks that it extends.
        blocks: the `block` definitions that the network can use.
        block_lines: the named lines of each block.
        axes: the axes of each placement.
    """

    def __init__(self, tree: Tree, load: Load) -> None:
        self._tree = tree
        self._load = load
        self.occurrences: list[Occurrence] = []
        self.blocks: dict[str, Block] = {}
        networks = [block for block in tree.blocks if block.keyword.text == NETWORK]
        chain = self._chain(networks[-1]) if networks else []
        for home in dict.fromkeys([*(home for _, home in chain), tree]):
            for block in home.blocks:
                if block.keyword.text == BLOCK and block.name is not None:
                    self.blocks.setdefault(block.name.text, block)
        self.block_lines = {name: self._lines_of(block.statements) for name, block in self.blocks.items()}
        self.lines = self._lines_of_chain(chain)
        self.axes: dict[str, dict[str, Span]] = {}
        for block in tree.blocks:
            self._read(block)

    def at(self, offset: int) -> Occurrence | None:
        """The name at an offset, or the one that ends there."""
        found = [each for each in self.occurrences if each.span.start <= offset <= each.span.end]
        return min(found, key=lambda each: (each.span.end == offset, each.span.end - each.span.start), default=None)

    def _chain(self, block: Block) -> list[tuple[Block, Tree]]:
        return chain_of(block, self._tree, self._load, []) or [(block, self._tree)]

    def _lines_of_chain(self, chain: Iterable[tuple[Block, Tree]]) -> dict[str, Line]:
        lines: dict[str, Line] = {}
        for block, _ in chain:
            for name, line in self._lines_of(block.statements, edits=block.base is not None).items():
                lines.setdefault(name, line)
        return lines

    def _lines_of(
        self, statements: Iterable[Statement], repeated: bool = False, edits: bool = False
    ) -> dict[str, Line]:
        lines: dict[str, Line] = {}
        for statement in statements:
            if isinstance(statement, Nested):
                for name, line in self._lines_of(statement.statements, True, edits).items():
                    lines.setdefault(name, line)
            elif isinstance(statement, Pipeline) and (word := _new_name(statement, edits)) is not None:
                lines.setdefault(word.text, Line(word, repeated, self._block_of(statement)))
        return lines

    def _block_of(self, line: Pipeline) -> str | None:
        """The block that a line instantiates, in its first step or after the layer that it reads."""
        found = [step.kind.text for step in line.steps[:2] if step.kind.text in self.blocks]
        return found[0] if found else None

    def _read(self, block: Block) -> None:
        keyword = block.keyword.text
        parameters: dict[str, Span] = {}
        chain = self._chain(block) if block.base is not None else [(block, self._tree)]
        if block.name is not None and keyword in (NETWORK, PLACEMENT, BLOCK):
            kind: SymbolKind = NETWORK if keyword == NETWORK else PLACEMENT if keyword == PLACEMENT else BLOCK
            self._add(block.name.span, self._first_of_its_name(block), kind)
        if block.base is not None and len(chain) > 1:
            self._read_base(block, chain[-2][0])
        if keyword == PLACEMENT:
            self._read_placement(block, [each for each, _ in chain])
        elif keyword == NETWORK:
            self._read_lines(block.statements, self._lines_of_chain(chain), parameters, block.base is not None)
        elif keyword == BLOCK and block.name is not None:
            for parameter in block.parameters:
                parameters.setdefault(parameter.name.text, parameter.name.span)
                self._add(parameter.name.span, parameters[parameter.name.text], "parameter")
            self._read_lines(block.statements, self._lines_of(block.statements), parameters, False)

    def _first_of_its_name(self, block: Block) -> Span:
        assert block.name is not None
        alike = (each.name for each in self._tree.blocks if each.keyword.text == block.keyword.text)
        return next(name.span for name in alike if name is not None and name.text == block.name.text)

    def _read_base(self, block: Block, base: Block) -> None:
        assert block.base is not None
        defined = base.name.span if base.name is not None else base.keyword.span
        if block.base.path is not None:
            start = block.base.span.start
            self._add(Span(block.base.span.source, start, start + len(block.base.path) + 2), defined, "file")
        if block.base.name is not None:
            self._add(block.base.name.span, defined, NETWORK if block.keyword.text == NETWORK else PLACEMENT)

    def _read_lines(
        self, statements: Sequence[Statement], lines: dict[str, Line], parameters: dict[str, Span], edits: bool
    ) -> None:
        for statement in statements:
            match statement:
                case Nested():
                    self._read_arguments(statement.head, lines, parameters)
                    self._read_lines(statement.statements, lines, parameters, edits)
                case Change():
                    self._read_label(statement.label, lines)
                    self._read_change(statement, lines, parameters)
                case Pipeline():
                    if statement.label is not None:
                        self._read_label(statement.label, lines)
                    if edits and first_word(statement).text == WITHOUT:
                        for word in _words(statement.steps[0].arguments):
                            self._refer(word, lines)
                    elif not is_setting(statement):
                        self._read_steps(statement, lines, parameters)

    def _read_label(self, label: Step, lines: dict[str, Line]) -> None:
        if label.kind.text in (AFTER, BEFORE):
            for word in _words(label.arguments):
                self._refer(word, lines)
        elif label.kind.text != EVERY and not label.arguments:
            self._refer(label.kind, lines)

    def _read_change(self, change: Change, lines: dict[str, Line], parameters: dict[str, Span]) -> None:
        """Reads a line such as `fire2: wide=96`, which changes an argument of the line's block."""
        line = lines.get(change.label.kind.text)
        kind = Word(line.block or "", change.label.kind.span) if line else change.label.kind
        self._read_arguments(Step(kind, change.arguments, change.span), lines, parameters)

    def _read_steps(self, line: Pipeline, lines: dict[str, Line], parameters: dict[str, Span]) -> None:
        for number, step in enumerate(line.steps):
            starts = number == 0 and len(line.steps) > 1 and not step.arguments
            if step.kind.text in self.blocks:
                name = self.blocks[step.kind.text].name
                assert name is not None
                self._add(step.kind.span, name.span, "block")
            elif starts and step.kind.text not in kinds():
                self._refer(step.kind, lines)
            self._read_arguments(step, lines, parameters)

    def _read_arguments(self, step: Step, lines: dict[str, Line], parameters: dict[str, Span]) -> None:
        kind, block = kinds().get(step.kind.text), self.blocks.get(step.kind.text)
        joins = kind is not None and issubclass(kind, Join)
        for argument in step.arguments:
            if argument.key is not None and block is not None:
                for parameter in block.parameters:
                    if parameter.name.text == argument.key.text:
                        self._add(argument.key.span, parameter.name.span, "parameter")
            for word in _words([argument]):
                if word.text in parameters:
                    self._add(word.span, parameters[word.text], "parameter")
                elif joins and argument.key is None:
                    self._refer(word, lines)

    def _read_placement(self, block: Block, chain: Sequence[Block]) -> None:
        axes: dict[str, Span] = {}
        for each in chain:
            own = [key for statement in each.statements for key in _axes(statement)]
            axes = {key.text: key.span for key in reversed(own)} if own else axes
        for statement in block.statements:
            for key in _axes(statement):
                self._add(key.span, axes[key.text], "axis")
            for word, is_axis in _placed_words(statement):
                if not is_axis:
                    self._refer(word, self.lines)
                elif word.text in axes:
                    self._add(word.span, axes[word.text], "axis")
        if block.name is not None:
            self.axes[block.name.text] = axes

    def _refer(self, word: Word, lines: dict[str, Line]) -> None:
        """Adds an occurrence for each part of a dotted name: each part is a line of the block before it."""
        start = word.span.start
        for part in word.text.split("."):
            name = _line_named(part, lines)
            if name is None:
                return
            line = lines[name]
            self._add(Span(word.span.source, start, start + len(name)), line.name.span, "layer")
            start += len(part) + 1
            lines = self.block_lines.get(line.block or "", {})

    def _add(self, span: Span, defined: Span, kind: SymbolKind) -> None:
        if span.source is self._tree.source:
            self.occurrences.append(Occurrence(span, defined, kind))


def _new_name(line: Pipeline, edits: bool) -> Word | None:
    """The name that a line defines. In a network that extends another, only `after` and `before` define names."""
    if line.label is None:
        return None
    if not edits:
        return None if line.label.arguments else line.label.kind
    words = _words(line.label.arguments) if line.label.kind.text in (AFTER, BEFORE) else []
    return words[1] if len(words) > 1 else None


def _line_named(part: str, lines: dict[str, Line]) -> str | None:
    """The name of the line that `part` refers to, with or without the number of a repetition."""
    if part in lines:
        return part
    for cut in range(len(part) - 1, 0, -1):
        name, number = part[:cut], part[cut:]
        if name in lines and lines[name].repeated and re.fullmatch(r"(_?[0-9]+)+", number):
            return name
    return None


def _words(arguments: Iterable[Argument]) -> list[Word]:
    """The words among the values, including those in parentheses."""
    return [word for argument in arguments for value in argument.values for word in _words_of(value)]


def _words_of(value: Value) -> Iterator[Word]:
    match value:
        case Word():
            yield value
        case LayerRange(first, last):
            yield from (first, last)
        case Call():
            for each in value.values:
                yield from _words_of(each)
        case _:
            return


def _axes(statement: Statement) -> list[Word]:
    if not isinstance(statement, Pipeline) or first_word(statement).text != MESH:
        return []
    return [argument.key for argument in statement.steps[0].arguments if argument.key is not None]


def _placed_words(statement: Statement) -> Iterator[tuple[Word, bool]]:
    """The names in `split … by AXIS in LAYERS` and `keep LAYERS on AXIS`, and whether each is an axis."""
    keyword = first_word(statement).text
    if not isinstance(statement, Pipeline) or keyword not in (SPLIT, KEEP):
        return
    before = KEEP if keyword == KEEP else ""
    for word in _words(statement.steps[0].arguments):
        if word.text in LINKING_WORDS and before not in (BY, ON):
            before = word.text
        elif before in (BY, ON):
            yield word, True
            before = "" if before == BY else "end"
        elif before in (IN, KEEP):
            yield word, False
