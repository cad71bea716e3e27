"""A spec's text, and places in it."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True, slots=True)
class Span:
    """The characters `start` up to, and without, `end` of a source text."""

    start: int
    end: int

    def to(self, other: Span) -> Span:
        """From the start of this span to the end of another."""
        return Span(self.start, other.end)


@dataclass(frozen=True)
class Source:
    """The text of one file, and the name by which messages call it."""

    name: str
    text: str

    @cached_property
    def _line_starts(self) -> list[int]:
        return [0, *(place + 1 for place, character in enumerate(self.text) if character == "\n")]

    def line_and_column(self, place: int) -> tuple[int, int]:
        """Line and column of a character, both counted from 1; columns count characters, a tab as one."""
        line = bisect_right(self._line_starts, place)
        return line, place - self._line_starts[line - 1] + 1

    def line_text(self, line: int) -> str:
        """A line, counted from 1, without its end."""
        start = self._line_starts[line - 1]
        end = self._line_starts[line] if line < len(self._line_starts) else len(self.text)
        return self.text[start:end].rstrip("\r\n")

    def __getitem__(self, span: Span) -> str:
        return self.text[span.start : span.end]
