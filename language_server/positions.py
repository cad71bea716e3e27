"""Converts offsets in a text to the positions of the protocol and back."""

from __future__ import annotations

import re
from bisect import bisect_right

from lsprotocol.types import Position, Range

from alexc.compiler.text.source import Span

_LINE_END = re.compile(r"\r\n|\r|\n")
_UNITS = {"utf-8": ("utf-8", 1), "utf-16": ("utf-16-le", 2), "utf-32": ("utf-32-le", 4)}


class Positions:
    """Converts offsets (characters from 0) to lines and columns and back.

    Lines and columns count from 0. Columns count the code units of `encoding`: in UTF-16, a character beyond U+FFFF has
    two units, and a tab has one.
    """

    def __init__(self, text: str, encoding: str = "utf-16") -> None:
        self._text = text
        self._codec, self._width = _UNITS[encoding]
        self._starts = [0, *(match.end() for match in _LINE_END.finditer(text))]

    def position(self, offset: int) -> Position:
        """The position of an offset, which may be the end of the text."""
        line = self.line(offset)
        return Position(line, self.units(self._text[self._starts[line] : offset]))

    def line(self, offset: int) -> int:
        """The line of an offset."""
        return bisect_right(self._starts, offset) - 1

    def line_start(self, line: int) -> int:
        """The offset where a line begins."""
        return self._starts[line]

    def range(self, span: Span) -> Range:
        """The range of a span of this text."""
        return Range(self.position(span.start), self.position(span.end))

    def whole(self) -> Range:
        """The range of the whole text."""
        return Range(Position(0, 0), self.position(len(self._text)))

    def offset(self, position: Position) -> int:
        """The offset of a position, or the nearest one if the text has no such position."""
        if position.line >= len(self._starts):
            return len(self._text)
        start = self._starts[position.line]
        end = self._starts[position.line + 1] if position.line + 1 < len(self._starts) else len(self._text)
        line = self._text[start:end].rstrip("\r\n")
        units = 0
        for index, character in enumerate(line):
            units += self.units(character)
            if units > position.character:
                return start + index
        return start + len(line)

    def edited(self, range_: Range, new: str) -> str:
        """The text with another text in a range."""
        return self._text[: self.offset(range_.start)] + new + self._text[self.offset(range_.end) :]

    def units(self, text: str) -> int:
        """The length of a text in columns."""
        return len(text.encode(self._codec, "surrogatepass")) // self._width
