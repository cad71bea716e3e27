"""What the compiler says about a spec: a code, a headline, the place, and the way out."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from alexc.compiler.source import Source, Span

LONGEST_LINE = 160  # characters of the user's line that a message shows

TITLES = {
    "E0101": "the text does not have the form of a spec",
    "E0102": "the file cannot be read as a spec",
    "E0103": "a number is too long",
    "E0201": "an unknown kind",
    "E0202": "an unknown argument",
    "E0203": "an argument is missing",
    "E0204": "an argument has a value that it cannot take",
    "E0205": "an argument is given twice",
    "E0206": "a name cannot be used",
    "E0207": "a name stands for two things",
    "E0208": "an unknown kind of block",
    "E0209": "a block is missing, or stands there twice",
    "E0210": "a statement is missing, or stands there twice",
    "E0301": "a layer does not say which towers it reads",
    "E0302": "channels cannot be cut evenly",
    "E0303": "a layer does not fit what it reads",
    "E0304": "the network is larger than a network may be",
    "E0401": "a placement names an axis that its mesh does not have, or has twice",
    "E0402": "a placement names a layer that does not exist",
    "E0403": "a placement's statement does not have the form of one",
    "E0501": "the recipe does not fit the network",
}


@dataclass(frozen=True)
class Label:
    """A place that contributes to a mistake, and what it contributes."""

    span: Span
    text: str


@dataclass(frozen=True)
class Diagnostic:
    """One mistake in a spec.

    `headline` stands alone; `label` is written under the place; `others` are further places; `help` is the way out.
    """

    code: str
    headline: str
    span: Span
    label: str = ""
    others: tuple[Label, ...] = ()
    help: str = ""

    def __post_init__(self) -> None:
        assert self.code in TITLES, self.code


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A `help` for a misspelt word: the nearest known one, or all of them when none is near."""
    words = sorted(known)
    near = get_close_matches(word, words, n=1, cutoff=0.6)
    if near:
        return f"did you mean `{near[0]}`?"
    return f"known here: {', '.join(words)}" if words else ""


def list_in_words(things: Sequence[str], last: str = "and") -> str:
    """`a`; `a and b`; `a, b and c`."""
    return things[0] if len(things) == 1 else f"{', '.join(things[:-1])} {last} {things[-1]}"


def render(source: Source, diagnostic: Diagnostic) -> str:
    """The message as text: headline, place, the user's own lines with carets, and help."""
    labels = [
        (diagnostic.span, diagnostic.label, "^"),
        *((other.span, other.text, "-") for other in diagnostic.others),
    ]
    line, column = source.line_and_column(diagnostic.span.start)
    lines_shown = sorted({source.line_and_column(span.start)[0] for span, _, _ in labels})
    margin = " " * len(str(lines_shown[-1]))
    output = [
        f"error[{diagnostic.code}]: {_printable(diagnostic.headline)}",
        f"{margin}--> {_printable(source.name)}:{line}:{column}",
        f"{margin} |",
    ]
    previous = lines_shown[0] - 1
    for shown in lines_shown:
        if shown != previous + 1:
            output.append("...")
        previous = shown
        marks = [each for each in labels if source.line_and_column(each[0].start)[0] == shown]
        cut = _Cut(source.line_text(shown), source.line_and_column(marks[0][0].start)[1] - 1)
        output.append(f"{shown:>{len(margin)}} | {cut.text}".rstrip())
        for span, text, mark in marks:
            start = source.line_and_column(span.start)[1] - 1
            output.append(f"{margin} | {cut.marks(start, span.end - span.start, mark)} {_printable(text)}".rstrip())
    if diagnostic.help:
        output += [f"{margin} |", f"{margin} = help: {_printable(diagnostic.help)}"]
    return "\n".join(output)


def render_all(source: Source, diagnostics: Sequence[Diagnostic]) -> str:
    """All messages in the order of the text, and a last line that counts them."""
    messages = [render(source, each) for each in sorted(diagnostics, key=lambda each: each.span.start)]
    count = "1 error" if len(messages) == 1 else f"{len(messages)} errors"
    return "\n\n".join([*messages, f"{source.name}: {count}"])


class _Cut:
    """The part of a line that is shown: all of it, or what stands around a place in a very long one."""

    def __init__(self, line: str, place: int) -> None:
        self._first = 0 if len(line) <= LONGEST_LINE else max(0, place - LONGEST_LINE // 4)
        self._line = line[self._first : self._first + LONGEST_LINE]
        self._before = "…" if self._first else ""
        after = "…" if self._first + LONGEST_LINE < len(line) else ""
        self.text = f"{self._before}{_printable(self._line)}{after}"

    def marks(self, start: int, length: int, mark: str) -> str:
        start -= self._first
        before = self._before + _printable(self._line[: max(start, 0)])
        marked = _printable(self._line[max(start, 0) : max(start + length, 0)])
        return " " * _width(before) + mark * max(_width(marked), 1)


def _printable(text: str) -> str:
    """Tabs as four blanks; characters that would steer a terminal as a question mark."""
    return "".join(
        "    " if character == "\t" else "\ufffd" if unicodedata.category(character)[0] == "C" else character
        for character in text
    )


def _width(text: str) -> int:
    return sum(
        0 if unicodedata.combining(each) else 2 if unicodedata.east_asian_width(each) in "WF" else 1 for each in text
    )
