"""What the compiler says about a spec: a code, a headline, the place, and the way out.

Codes that begin with E are errors, those that begin with W warnings, which keep nothing from being made.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from alexc.printable import printable

from .source import Source, Span

MOST_ERRORS = 100  # as many are found in one run
MOST_SUGGESTIONS = 1000  # among more words none is looked for
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
    "E0211": "a layer reads one that does not stand above it",
    "E0212": "nothing reads a layer",
    "E0301": "a layer does not say which towers it reads",
    "E0302": "channels cannot be cut evenly",
    "E0303": "a layer does not fit what it reads",
    "E0304": "the network is larger than a network may be",
    "E0305": "layers cannot be joined",
    "E0401": "a placement names an axis that its mesh does not have, or has twice",
    "E0402": "a placement names a layer that does not exist",
    "E0403": "a placement's statement does not have the form of one",
    "E0404": "a layer cannot be shared by the devices of an axis",
    "E0405": "an axis places a layer twice, or nothing at all",
    "E0406": "two axes cut the same, and the outer one changes",
    "E0501": "the recipe does not fit the network",
    "E0601": "blocks extend each other in a circle",
    "E0602": "what a block extends is not there",
    "E0603": "an edit matches nothing",
    "E0604": "what is written out would be too large",
    "E0605": "a statement does not have the form of an edit",
    "E0901": "a foreign file does not have the form of one",
    "E0902": "a foreign layer has no counterpart",
    "E0903": "what a foreign layer says has no counterpart",
    "E0904": "a foreign layer has a value that it cannot take",
    "E0905": "a foreign layer reads one that does not stand above it",
    "E0906": "the files do not make a network together",
    "E0907": "what a foreign file says makes no sound spec",
    "W0304": "a network is very large",
    "W0901": "a recipe says something that has no counterpart",
    "W0902": "something that changes no result has no counterpart",
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

    @property
    def severity(self) -> str:
        """`error` or `warning`."""
        return "warning" if self.code.startswith("W") else "error"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A `help` for a misspelt word: the nearest known one, or all of them when none is near."""
    words = sorted(known)
    if len(words) > MOST_SUGGESTIONS:
        return ""
    near = get_close_matches(word, words, n=1, cutoff=0.6)
    if near:
        return f"did you mean `{near[0]}`?"
    return f"known here: {', '.join(words)}" if words else ""


def list_in_words(things: Sequence[str], last: str = "and") -> str:
    """`a`; `a and b`; `a, b and c`."""
    return things[0] if len(things) == 1 else f"{', '.join(things[:-1])} {last} {things[-1]}"


def in_order(source: Source, diagnostics: Sequence[Diagnostic]) -> list[Diagnostic]:
    """Those of the file itself in the order of its text, then those of the files that it extends."""
    return sorted(diagnostics, key=lambda each: (each.span.source is not source, each.span.start))


def render(diagnostic: Diagnostic) -> str:
    """The message as text: headline, place, the user's own lines with carets, and help."""
    places = [_Place(diagnostic.span, diagnostic.label, "^")]
    places += [_Place(other.span, other.text, "-") for other in diagnostic.others]
    sources = list(dict.fromkeys(place.span.source for place in places))
    last_line = max(place.span.line_and_column[0] for place in places)
    margin = " " * len(str(last_line))
    output = [f"{diagnostic.severity}[{diagnostic.code}]: {printable(diagnostic.headline)}"]
    for source in sources:
        here = [place for place in places if place.span.source is source]
        line, column = here[0].span.line_and_column
        arrow = "-->" if source is sources[0] else ":::"
        output += [f"{margin}{arrow} {printable(source.name)}:{line}:{column}", f"{margin} |"]
        output += _lines_of(source, here, margin)
    if diagnostic.help:
        output += [f"{margin} |", f"{margin} = help: {printable(diagnostic.help)}"]
    return "\n".join(output)


def render_all(source: Source, diagnostics: Sequence[Diagnostic]) -> str:
    """All messages in the order of the text, and a last line that counts them."""
    messages = [render(each) for each in in_order(source, diagnostics)]
    return "\n\n".join([*messages, f"{printable(source.name)}: {_counted(diagnostics)}"])


def _counted(diagnostics: Sequence[Diagnostic]) -> str:
    """`no errors`; `1 error`; `2 errors and 1 warning`."""
    counts = Counter(each.severity for each in diagnostics)
    words = [f"{count} {severity}{'s' if count > 1 else ''}" for severity, count in sorted(counts.items())]
    return list_in_words(words) if words else "no errors"


@dataclass(frozen=True)
class _Place:
    span: Span
    text: str
    mark: str


def _lines_of(source: Source, places: Sequence[_Place], margin: str) -> list[str]:
    """The lines of one file that hold the places, with marks and texts below each."""
    output: list[str] = []
    numbers = sorted({place.span.line_and_column[0] for place in places})
    previous = numbers[0] - 1
    for number in numbers:
        if number != previous + 1:
            output.append("...")
        previous = number
        marks = [place for place in places if place.span.line_and_column[0] == number]
        excerpt = _Excerpt(source.line_text(number), marks[0].span.line_and_column[1] - 1)
        output.append(f"{number:>{len(margin)}} | {excerpt.text}".rstrip())
        for place in marks:
            start, length = place.span.line_and_column[1] - 1, place.span.end - place.span.start
            output.append(f"{margin} | {excerpt.marks(start, length, place.mark)} {printable(place.text)}".rstrip())
    return output


class _Excerpt:
    """The part of a line that a message shows: the whole line, or the part around `place` if the line is very long."""

    def __init__(self, line: str, place: int) -> None:
        self._first = 0 if len(line) <= LONGEST_LINE else max(0, place - LONGEST_LINE // 4)
        self._line = line[self._first : self._first + LONGEST_LINE]
        self._before = "…" if self._first else ""
        after = "…" if self._first + LONGEST_LINE < len(line) else ""
        self.text = f"{self._before}{_shown(self._line)}{after}"

    def marks(self, start: int, length: int, mark: str) -> str:
        """Blanks and marks that stand exactly below the shown form of `length` characters from `start`."""
        start -= self._first
        before = self._before + _shown(self._line[: max(start, 0)])
        marked = _shown(self._line[max(start, 0) : max(start + length, 0)])
        return " " * _width(before) + mark * max(_width(marked), 1)


def _shown(source_text: str) -> str:
    """The user's text for a terminal: a tab takes four columns."""
    return printable(source_text.replace("\t", "    "))


def _width(text: str) -> int:
    """The columns of a terminal that a text takes."""
    return sum(
        0 if unicodedata.combining(each) else 2 if unicodedata.east_asian_width(each) in "WF" else 1 for each in text
    )
