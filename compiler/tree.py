"""The first stage: a spec as it was written, every word with its place."""

from __future__ import annotations

from dataclasses import dataclass

from alexc.compiler.source import Source, Span


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
    values: tuple[Atom, ...]
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
class Statement:
    """A pipeline of steps joined by `->`, with a name or without."""

    name: Word | None
    steps: tuple[Step, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Block:
    """A keyword, a name or none, and statements in braces."""

    keyword: Word
    name: Word | None
    statements: tuple[Statement, ...]
    span: Span


@dataclass(frozen=True)
class Tree:
    """A whole file."""

    source: Source
    blocks: tuple[Block, ...]
