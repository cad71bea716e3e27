"""Parses the text format of protocol buffers without a schema: fields, nested messages, and their spans.

Without a schema, unknown fields are kept, so that they can be reported.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from alexc.compiler.text.diagnostics import Diagnostic
from alexc.compiler.text.source import Source, Span

_DEEPEST = 32  # nested messages; Caffe's own have at most 5 levels
_LONGEST_TOKEN = 4096  # characters of a name, a number or a text
_MOST_FIELDS = 1_000_000

_TOKEN = re.compile(
    r"""(?P<blank>[\s]+|\#[^\n]*)
      |(?P<name>[A-Za-z_][A-Za-z0-9_.]*)
      |(?P<number>[+-]?(?:0[xX][0-9A-Fa-f]+|(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?[fF]?|inf|nan)(?![A-Za-z0-9_.]))
      |(?P<text>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
      |(?P<mark>[{}<>\[\]:,;])""",
    re.VERBOSE,
)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}
_CLOSING = {"{": "}", "<": ">"}


@dataclass(frozen=True, slots=True)
class Scalar:
    """A value: a string without quotation marks, a number as written, or a word such as `MAX` or `true`."""

    form: str  # "text", "number" or "name"
    text: str
    span: Span


@dataclass(frozen=True, slots=True)
class Message:
    """Fields in order; a name may be repeated."""

    fields: tuple[Field, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Field:
    """A name and its value; `span` is the span of the name."""

    name: str
    value: Scalar | Message
    span: Span


def parse(source: Source, lists: Collection[str] = ()) -> tuple[Message, list[Diagnostic]]:
    """Parse a file; returns an empty message and an error at the first syntax error.

    The outermost fields in `lists` can have several values without brackets, as in `device_id: 0,1`. Time and memory
    are proportional to the length of the text, whatever it contains.
    """
    try:
        return _Parser(source, lists).message(), []
    except _ParseError as error:
        return Message((), Span(source, 0, 0)), [error.finding]


class _ParseError(Exception):
    def __init__(self, headline: str, span: Span, help_: str = "") -> None:
        super().__init__(headline)
        self.finding = Diagnostic("E0901", headline, span, help=help_)


@dataclass(frozen=True, slots=True)
class _Token:
    form: str  # "name", "number", "text", a mark itself, or "end"
    text: str
    span: Span


@dataclass
class _Open:
    """A message that is not closed yet: its field's name, its opening bracket, and its fields so far."""

    field: _Token
    start: _Token
    fields: list[Field]


class _Parser:
    """Reads fields in order. Open messages are kept on a stack, so that deep nesting needs no recursion."""

    def __init__(self, source: Source, lists: Collection[str]) -> None:
        self._source = source
        self._lists = lists
        self._tokens = self._lex()
        self._next = next(self._tokens)
        self._count = 0

    def message(self) -> Message:
        fields: list[Field] = []
        stack: list[_Open] = []
        while True:
            token = self._take()
            if token.form == "end":
                if stack:
                    start = stack[-1].start
                    raise _ParseError(
                        "the file ends inside a message", start.span, f"a `{_CLOSING[start.form]}` is missing"
                    )
                return Message(tuple(fields), Span(self._source, 0, len(self._source.text)))
            inside = stack[-1].fields if stack else fields
            if stack and token.form == _CLOSING[stack[-1].start.form]:
                done = stack.pop()
                outer = stack[-1].fields if stack else fields
                message = Message(tuple(done.fields), done.start.span.to(token.span))
                outer.append(Field(done.field.text, message, done.field.span))
                self._skip_separator()
            elif token.form == "name":
                self._read_field(token, inside, stack)
            else:
                listed = token.form in ("number", "text")
                headline = f"`{token.text}` is unexpected here: expected a field name"
                raise _ParseError(headline, token.span, "a list needs brackets: `[1, 2]`" if listed else "")

    def _read_field(self, name: _Token, inside: list[Field], stack: list[_Open]) -> None:
        self._count += 1
        if self._count > _MOST_FIELDS:
            raise _ParseError(f"the file has more than {_MOST_FIELDS:,} fields", name.span)
        colon = self._next.form == ":"
        if colon:
            self._take()
        if self._next.form in _CLOSING:
            if len(stack) >= _DEEPEST:
                raise _ParseError(f"messages are nested more than {_DEEPEST} deep", self._next.span)
            stack.append(_Open(name, self._take(), []))
            return
        if not colon:
            message = f"`{name.text}` has no value"
            raise _ParseError(message, name.span, f"`{name.text}: value` or `{name.text} {{ … }}`")
        inside.extend(Field(name.text, value, name.span) for value in self._values())
        self._skip_separator()
        while not stack and name.text in self._lists and self._next.form in ("number", "text"):
            inside.append(Field(name.text, self._scalar(), name.span))
            self._skip_separator()

    def _values(self) -> Iterator[Scalar]:
        """One value, or the values of a list in brackets."""
        if self._next.form != "[":
            yield self._scalar()
            return
        self._take()
        while self._next.form != "]":
            yield self._scalar()
            if self._next.form == ",":
                self._take()
            elif self._next.form != "]":
                raise _ParseError(f"`{self._next.text}` is unexpected here: expected `,` or `]`", self._next.span)
        self._take()

    def _scalar(self) -> Scalar:
        token = self._take()
        if token.form not in ("name", "number", "text"):
            shown = "the end of the file" if token.form == "end" else f"`{token.text}`"
            raise _ParseError(f"{shown} is unexpected here: expected a value", token.span)
        if token.form != "text":
            return Scalar(token.form, token.text, token.span)
        text, span = _unquoted(token.text), token.span
        while self._next.form == "text":  # texts that follow each other are one
            token = self._take()
            text, span = text + _unquoted(token.text), span.to(token.span)
        return Scalar("text", text, span)

    def _skip_separator(self) -> None:
        if self._next.form in (",", ";"):
            self._take()

    def _take(self) -> _Token:
        token = self._next
        if token.form != "end":
            self._next = next(self._tokens)
        return token

    def _lex(self) -> Iterator[_Token]:
        text, place = self._source.text, 0
        while place < len(text):
            found = _TOKEN.match(text, place)
            span = Span(self._source, place, found.end() if found else place + 1)
            if found is None:
                if text[place] in "\"'":
                    raise _ParseError("a string does not end on its line", span)
                raise _ParseError(f"the character `{text[place]}` has no meaning here", span)
            place = found.end()
            form = found.lastgroup or ""
            if form == "blank":
                continue
            if span.end - span.start > _LONGEST_TOKEN:
                start = Span(self._source, span.start, span.start + 1)
                raise _ParseError(f"a name or a value has more than {_LONGEST_TOKEN:,} characters", start)
            yield _Token(found.group() if form == "mark" else form, found.group(), span)
        yield _Token("end", "", Span(self._source, len(text.rstrip()), len(text.rstrip())))


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", lambda found: _ESCAPES.get(found.group(1), found.group(1)), text[1:-1])
