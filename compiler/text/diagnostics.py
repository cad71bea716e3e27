"""The errors and warnings about a spec: a code, a headline, the place, and help.

Codes that begin with E are errors. Codes that begin with W are warnings; a spec with warnings only still compiles.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from alexc.printable import columns_of, printable

from .fixes import Fix, Help
from .source import Source, Span

MOST_ERRORS = 100  # a stage stops after this number
_LONGEST_LINE = 160  # characters of the user's line that a message shows

TITLES = {
    "E0101": "syntax error",
    "E0102": "the file is not the text of a spec",
    "E0103": "a number has too many digits",
    "E0201": "an unknown layer kind, block, distribution or recipe step",
    "E0202": "an unknown argument or statement",
    "E0203": "a required argument is missing",
    "E0204": "an argument has an invalid value",
    "E0205": "an argument is given twice",
    "E0206": "a name is not allowed",
    "E0207": "two things have the same name",
    "E0208": "an unknown kind of block",
    "E0209": "a block is missing, given twice or not used",
    "E0210": "a statement is missing or given twice",
    "E0211": "a line names a layer that is not above it",
    "E0212": "the output of a layer is not used",
    "E0301": "a layer needs `reads` or `over`, because its input is split into towers",
    "E0302": "channels cannot be split evenly",
    "E0303": "a layer cannot take its input",
    "E0304": "the network has too many parameters or activations",
    "E0305": "layers cannot be joined",
    "E0401": "an axis or a device is not in the mesh, or an axis is given twice",
    "E0402": "a placement names a layer that does not exist",
    "E0403": "a statement of a placement is not valid",
    "E0404": "devices cannot share a layer evenly",
    "E0405": "a layer is placed twice on an axis, or an axis is not used",
    "E0406": "the axes of a mesh are nested in the wrong order",
    "E0501": "the recipe does not fit the network",
    "E0601": "blocks extend each other in a circle",
    "E0602": "the block or file after `extends` cannot be found",
    "E0603": "an edit matches nothing",
    "E0604": "the expanded network is too large",
    "E0605": "an edit is not valid",
    "E0901": "syntax error in a foreign file",
    "E0902": "alexc has no counterpart of a foreign layer",
    "E0903": "alexc has no counterpart of a setting of a foreign layer",
    "E0904": "a setting of a foreign layer is missing or not valid",
    "E0905": "a foreign layer reads one that is not above it",
    "E0906": "the foreign files do not describe one network",
    "E0907": "the imported network has an error",
    "W0304": "the network is very large",
    "W0501": "the pixels are not scaled for the initial weights",
    "W0901": "alexc has no exact counterpart of a setting of a foreign recipe",
    "W0902": "a setting that does not change the network's results is not imported",
}


@dataclass(frozen=True)
class Label:
    """Another place that is part of the error, with a text that is shown there."""

    span: Span
    text: str


@dataclass(frozen=True)
class Diagnostic:
    """One error or warning about a spec.

    Attributes:
        code: one of `TITLES`.
        headline: what is wrong, as a sentence that is clear by itself.
        span: where it is wrong.
        label: a text that is shown below the place.
        others: other places that are part of the error.
        help: how to fix it: the edit or the command. A `Help` has the edit as data, too.
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

    @property
    def fixes(self) -> tuple[Fix, ...]:
        """The edits that remove it; several are alternatives."""
        return self.help.fixes if isinstance(self.help, Help) else ()


def list_in_words(things: Sequence[str], last: str = "and") -> str:
    """`a`; `a and b`; `a, b and c`."""
    return things[0] if len(things) == 1 else f"{', '.join(things[:-1])} {last} {things[-1]}"


def in_order(source: Source, diagnostics: Sequence[Diagnostic]) -> list[Diagnostic]:
    """The diagnostics of the file itself in the order of its text, then those of the files that it extends."""
    return sorted(diagnostics, key=lambda each: (each.span.source is not source, each.span.start))


def render(diagnostic: Diagnostic) -> str:
    """The diagnostic as text: the headline, the place, the lines of the spec with marks below them, and the help."""
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
    """All diagnostics in the order of the text, and a last line with their number."""
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
    """The lines of one file that contain the places, with marks and texts below each line."""
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
        self._first = 0 if len(line) <= _LONGEST_LINE else max(0, place - _LONGEST_LINE // 4)
        self._line = line[self._first : self._first + _LONGEST_LINE]
        self._before = "…" if self._first else ""
        after = "…" if self._first + _LONGEST_LINE < len(line) else ""
        self.text = f"{self._before}{_shown(self._line)}{after}"

    def marks(self, start: int, length: int, mark: str) -> str:
        """Blanks and marks that stand exactly below the shown form of `length` characters from `start`."""
        start -= self._first
        before = self._before + _shown(self._line[: max(start, 0)])
        marked = _shown(self._line[max(start, 0) : max(start + length, 0)])
        return " " * columns_of(before) + mark * max(columns_of(marked), 1)


def _shown(source_text: str) -> str:
    """The user's text for a terminal: a tab takes four columns."""
    return printable(source_text.replace("\t", "    "))
