"""The parts of a file that an editor can fold: blocks in braces, and runs of comment lines."""

from __future__ import annotations

from collections.abc import Iterator

from lsprotocol.types import FoldingRange, FoldingRangeKind

from alexc.highlighting import words_of

from .spec import LONGEST_TEXT, Spec


def folding_ranges(spec: Spec) -> list[FoldingRange]:
    """The ranges, also in a text with errors; none in a very long text."""
    if len(spec.text) > LONGEST_TEXT:
        return []
    return [FoldingRange(first, last, kind=kind) for first, last, kind in _ranges(spec) if last > first]


def _ranges(spec: Spec) -> Iterator[tuple[int, int, FoldingRangeKind | None]]:
    opened: list[int] = []
    comments: list[int] = []  # the lines of the current run of comment lines
    for start, end, role in words_of(spec.text):
        line = spec.positions.line(start)
        if role == "comment" and not spec.text[spec.positions.line_start(line) : start].strip():
            if comments and line != comments[-1] + 1:
                yield comments[0], comments[-1], FoldingRangeKind.Comment
                comments = []
            comments.append(line)
        elif spec.text[start:end] == "{":
            opened.append(line)
        elif spec.text[start:end] == "}" and opened:
            yield opened.pop(), line - 1, None  # the closing brace stays visible
    if comments:
        yield comments[0], comments[-1], FoldingRangeKind.Comment
