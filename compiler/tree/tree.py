"""The first stage: a spec as it was written, every word with its place."""

from __future__ import annotations

from dataclasses import dataclass

from ..text.source import Source, Span


@dataclass(frozen=True, slots=True)
class Word:
    """A name or a keyword."""

    text: str
    span: Span


@dataclass(frozen=True, slots=True)
class Number:
    """A number: an int when it was written without a point and an exponent."""

    value: int | float
    span: Span


@dataclass(frozen=True, slots=True)
class Dimensions:
    """Sizes joined by `x`, as `3x227x227`."""

    sizes: tuple[int, ...]
    span: Span


Atom = Word | Number | Dimensions


@dataclass(frozen=True, slots=True)
class Call:
    """A name with values in parentheses, as `normal(0, 0.01)`."""

    name: Word
    values: tuple[Value, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class LayerRange:
    """From one layer to another, as `conv1..conv5`."""

    first: Word
    last: Word
    span: Span


Value = Atom | Call | LayerRange


@dataclass(frozen=True, slots=True)
class Argument:
    """What follows a kind: `key=value`, or a value alone, or several values joined by commas."""

    key: Word | None
    values: tuple[Value, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Step:
    """A kind with its arguments: one part of a pipeline."""

    kind: Word
    arguments: tuple[Argument, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Steps joined by `->`. What stands before a colon is the label: a name, or an edit such as `every relu`."""

    label: Step | None
    steps: tuple[Step, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Change:
    """New arguments for something that is there: `conv1: kernel=7`."""

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
    """The word that a statement begins with."""
    if statement.label is not None:
        return statement.label.kind
    return statement.head.kind if isinstance(statement, Nested) else statement.steps[0].kind


def only_value(step: Step) -> Value | None:
    """The one value that follows a kind, without a key; None where there is anything else."""
    if len(step.arguments) != 1 or step.arguments[0].key is not None or len(step.arguments[0].values) != 1:
        return None
    return step.arguments[0].values[0]


@dataclass(frozen=True, slots=True)
class Parameter:
    """A name that stands for a value inside a block, and its default or None."""

    name: Word
    default: Atom | None


@dataclass(frozen=True, slots=True)
class Base:
    """What a block extends: a block of this file, or of the file at `path`, whose name may be left out."""

    path: str | None
    name: Word | None
    span: Span


@dataclass(frozen=True, slots=True)
class Block:
    """A keyword, a name or none, and statements in braces. `span` is that of the keyword and the name."""

    keyword: Word
    name: Word | None
    parameters: tuple[Parameter, ...]
    base: Base | None
    statements: tuple[Statement, ...]
    span: Span


@dataclass(frozen=True)
class Tree:
    """A whole file."""

    source: Source
    blocks: tuple[Block, ...]
