"""The nodes of the syntax tree: a spec as it is written, with the place of every word."""

from __future__ import annotations

from dataclasses import dataclass

from ..text.fixes import Fix, add_first_line, add_line_after
from ..text.source import Source, Span


@dataclass(frozen=True, slots=True)
class Word:
    """A name or a keyword."""

    text: str
    span: Span


@dataclass(frozen=True, slots=True)
class Number:
    """A number: an int if it is written without a point and without an exponent."""

    value: int | float
    span: Span


@dataclass(frozen=True, slots=True)
class Dimensions:
    """Sizes joined by `x`: `3x227x227`."""

    sizes: tuple[int, ...]
    span: Span


Atom = Word | Number | Dimensions


@dataclass(frozen=True, slots=True)
class Call:
    """A name with values in parentheses: `normal(0, 0.01)`."""

    name: Word
    values: tuple[Value, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class LayerRange:
    """All layers from one to another: `conv1..conv5`."""

    first: Word
    last: Word
    span: Span


Value = Atom | Call | LayerRange


@dataclass(frozen=True, slots=True)
class Argument:
    """An argument after a kind: `key=value`, a value alone, or several values joined by commas."""

    key: Word | None
    values: tuple[Value, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a pipeline: a kind with its arguments."""

    kind: Word
    arguments: tuple[Argument, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Steps joined by `->`. The label is the part before the colon: a name, or an edit such as `every relu`."""

    label: Step | None
    steps: tuple[Step, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Change:
    """New arguments for an existing layer: `conv1: kernel=7`."""

    label: Step
    arguments: tuple[Argument, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Nested:
    """Statements in braces inside a block: `repeat 3 { … }`."""

    label: Step | None
    head: Step
    statements: tuple[Statement, ...]
    span: Span


Statement = Pipeline | Change | Nested


def first_word(statement: Statement) -> Word:
    """The first word of a statement."""
    if statement.label is not None:
        return statement.label.kind
    return statement.head.kind if isinstance(statement, Nested) else statement.steps[0].kind


def only_value(step: Step) -> Value | None:
    """The value after the kind, if the step has exactly one argument, with one value and without a key; else None."""
    if len(step.arguments) != 1 or step.arguments[0].key is not None or len(step.arguments[0].values) != 1:
        return None
    return step.arguments[0].values[0]


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a block: its name, and its default or None."""

    name: Word
    default: Atom | None


@dataclass(frozen=True, slots=True)
class Base:
    """The block after `extends`: a block of this file, or of the file at `path`. With a path, the name is optional."""

    path: str | None
    name: Word | None
    span: Span


@dataclass(frozen=True, slots=True)
class Block:
    """A keyword, an optional name, and statements in braces. `span` covers the keyword and the name."""

    keyword: Word
    name: Word | None
    parameters: tuple[Parameter, ...]
    base: Base | None
    statements: tuple[Statement, ...]
    span: Span


def first_line(block: Block, line: str) -> Fix | None:
    """The edit that adds a line at the beginning of a block."""
    return add_first_line(block.span if block.base is None else block.span.to(block.base.span), line)


def last_line(block: Block, line: str) -> Fix | None:
    """The edit that adds a line at the end of a block; None if the block ends in another one."""
    if not block.statements:
        return first_line(block, line)
    last = block.statements[-1]
    return None if isinstance(last, Nested) else add_line_after(last.span, line)


@dataclass(frozen=True)
class Tree:
    """A whole file."""

    source: Source
    blocks: tuple[Block, ...]
