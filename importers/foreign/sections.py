"""Reads files of `[sections]` with lines `key=value`, as cuda-convnet and darknet do, and keeps the spans."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from alexc.compiler.text.diagnostics import MOST_ERRORS, Diagnostic
from alexc.compiler.text.source import Source, Span

_NUMBERS = re.compile(r"([-+.,0-9eE]*[0-9.])\s*[#;]")

Dialect = Literal["python", "darknet"]


@dataclass(frozen=True)
class Entry:
    """A line `key=value`: `key` in the form that its dialect compares, `value` without surrounding blanks."""

    key: str
    value: str
    key_span: Span
    value_span: Span


@dataclass(frozen=True)
class Section:
    """A section: its name, the span of the name, and its lines, each key once."""

    name: str
    span: Span
    entries: tuple[Entry, ...]


def sections_of(source: Source, dialect: Dialect, findings: list[Diagnostic]) -> list[Section]:
    """The sections of a file in order. Lines of another form are appended to `findings`.

    `python` is the dialect of Python 2's ConfigParser, which cuda-convnet uses: keys ignore case, `:` is allowed in
    place of `=`, a `;` after a blank begins a comment, and the last of two equal keys counts. `darknet` is the dialect
    of darknet's own reader: blanks are ignored everywhere, and the first of two equal keys counts.
    """
    sections: list[tuple[str, Span, dict[str, Entry]]] = []
    for start, line in _lines(source.text):
        text = line.strip()
        first = start + len(line) - len(line.lstrip())
        span = Span(source, first, first + len(text))
        if len(findings) >= MOST_ERRORS:
            break
        if not text or text[0] in "#;":
            continue
        if text[0] == "[":
            name = text[1 : text.find("]")] if "]" in text else ""
            if not name.strip():
                findings.append(Diagnostic("E0901", "a section is a name in brackets", span, help="as in `[conv1]`"))
            sections.append((name.strip(), Span(source, first + 1, first + 1 + len(name)), {}))
        elif not sections:
            findings.append(
                Diagnostic("E0901", "this line comes before the first section", span, help="as in `[conv1]`")
            )
        elif dialect == "python" and line[0].isspace() and sections[-1][2]:
            message = "a line that begins with a blank continues the line above, which alexc does not read"
            findings.append(Diagnostic("E0901", message, span, help="write the value on one line"))
        else:
            _add(sections[-1][2], text, span, dialect, findings)
    return [Section(name, span, tuple(entries.values())) for name, span, entries in sections]


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Each line with the offset where it begins."""
    start = 0
    for line in text.split("\n"):
        yield start, line.rstrip("\r")
        start += len(line) + 1


def _add(entries: dict[str, Entry], text: str, span: Span, dialect: Dialect, findings: list[Diagnostic]) -> None:
    ends = [place for place in (text.find(mark) for mark in ("=:" if dialect == "python" else "=")) if place > 0]
    if not ends:
        findings.append(
            Diagnostic("E0901", "this line does not have the form `key=value`", span, help="as in `stride=1`")
        )
        return
    end = min(ends)
    key, value = text[:end].strip(), text[end + 1 :]
    comment = value.find(";")
    if dialect == "python" and comment > 0 and value[comment - 1].isspace():
        value = value[:comment]
    before = end + 1 + len(value) - len(value.lstrip())
    value = value.strip()
    if dialect == "darknet" and (number := _NUMBERS.match(value)):  # darknet reads numbers up to what is none
        value = number[1]
    entry = Entry(
        key.lower() if dialect == "python" else key,
        value if dialect == "python" else "".join(value.split()),
        Span(span.source, span.start, span.start + len(key)),
        Span(span.source, span.start + before, span.start + before + len(value)),
    )
    if entry.key in entries:
        which = "last" if dialect == "python" else "first"
        message = f"`{key}` is given twice; the {which} one counts"
        findings.append(Diagnostic("W0902", message, entry.key_span, help="remove one of them"))
        if dialect == "darknet":
            return
    entries[entry.key] = entry
