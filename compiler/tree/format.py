"""Formats a spec in the canonical style: two blanks per level, and columns in neighbouring lines.

Only blanks and line ends change, but never a line end that ends a statement. Words and comments keep their order. Line
breaks before `->` and single empty lines stay where the author put them. A line of a layer that is wider than `WIDEST`
is broken before an arrow.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from functools import cache
from importlib.resources import files
from itertools import groupby, zip_longest
from typing import TypeVar

from lark import Lark

from ..text.diagnostics import Diagnostic
from ..text.source import Source, Span
from ..vocabulary import BLOCK, DEFAULT, NETWORK, SETTINGS
from .syntax import parse

Thing = TypeVar("Thing")
Key = TypeVar("Key", bound=Hashable)

_INDENT = 2
WIDEST = 120  # wider lines are broken; lines are not aligned in columns if that would make one wider than this

_BLOCKS_OF_LAYERS = (NETWORK, BLOCK)
_NO_BLANK_BEFORE = ("=", "(", ")", ",", ":", "..")
_NO_BLANK_AFTER = ("=", "(", "..")


def format_spec(source: Source) -> tuple[str | None, list[Diagnostic]]:
    """The text of a spec in the canonical style, or None and the syntax errors."""
    tree, diagnostics = parse(source)
    if diagnostics:
        return None, diagnostics
    text = _formatted(_read_lines(source.text))
    if text == source.text:
        return text, []
    formatted, problems = parse(Source(source.name, text))
    assert not problems, problems
    assert without_spans(formatted.blocks) == without_spans(tree.blocks), "formatting changed the spec"
    return text, []


def without_spans(node: object) -> object:
    """A part of a tree as tuples without places, so that the trees of two formats of a spec are equal."""
    if isinstance(node, tuple):
        return tuple(without_spans(each) for each in node)
    if is_dataclass(node):
        values = (getattr(node, each.name) for each in fields(node))
        return (type(node).__name__, *(without_spans(value) for value in values if not isinstance(value, Span)))
    return node


@dataclass
class _Row:
    """One line of the text. Without words it is a comment on a line of its own."""

    words: list[str] = field(default_factory=list)
    comment: str = ""
    text: str = ""  # the words, aligned in columns


@dataclass
class _Line:
    """A statement, the head of a block, a closing brace or a comment between them.

    Attributes:
        depth: the number of open braces around it.
        rows: its first line and its continuation lines.
        of_layers: whether it is in a block whose lines are layers.
        blank: whether an empty line is before it.
    """

    depth: int
    rows: list[_Row]
    of_layers: bool
    blank: bool

    @property
    def words(self) -> list[str]:
        """The words of the first row."""
        return self.rows[0].words

    @property
    def is_comment(self) -> bool:
        return not self.words

    @property
    def opens(self) -> bool:
        return self.rows[-1].words[-1:] == ["{"]

    @property
    def closes(self) -> bool:
        return self.words == ["}"]

    @property
    def is_setting(self) -> bool:
        """Whether its first word is a keyword of the block, not the name or the kind of a layer."""
        return not self.of_layers or (self.words[0] in SETTINGS and self.words[1:2] not in ([":"], ["->"]))

    @property
    def has_columns(self) -> bool:
        """Whether its first row is a complete statement, or one that continues with an arrow on the next row."""
        ends_at_arrow = all(row.words[0] == "->" for row in self.rows[1:] if row.words)
        return not self.is_comment and ends_at_arrow and not {"{", "}"} & set(self.words)


def _read_lines(text: str) -> list[_Line]:
    reader = _Reader()
    for token in _lexer().lex(text, dont_ignore=True):
        if token.type == "_NEWLINE":
            reader.end_line()
        elif token.startswith("#"):
            reader.read_comment(token.rstrip(" \t\f"))
        elif token.strip(" \t\f"):
            reader.read_word(str(token))
    return reader.end()


@cache
def _lexer() -> Lark:
    """A lexer for the words of the grammar that keeps blanks and comments."""
    grammar = files("alexc.compiler.tree").joinpath("grammar.lark").read_text(encoding="utf-8")
    return Lark(grammar, parser=None, lexer="basic")


class _Reader:
    """Collects words into lines. A statement stays open until a word shows that it does not continue."""

    def __init__(self) -> None:
        self._lines: list[_Line] = []
        self._open: _Line | None = None
        self._comments: list[tuple[str, bool]] = []  # comments that wait until their place is known
        self._line_ends = 0
        self._last = ""
        self._keywords: list[str] = []
        self._on_line_of_brace = False

    def end_line(self) -> None:
        self._line_ends += 1
        self._on_line_of_brace = False

    def read_comment(self, text: str) -> None:
        line = self._open or (self._lines[-1] if self._lines else None)
        if self._line_ends == 0 and not self._comments and line is not None and not line.rows[-1].comment:
            line.rows[-1].comment = text
        else:
            self._comments.append((text, self._line_ends > 1))
        self._line_ends = 0

    def read_word(self, word: str) -> None:
        if word == "}":
            self._read_closing_brace()
        elif self._open is not None and word == "{":
            self._open.rows[-1].words.append(word)
            self._keywords.append(self._open.words[0])
            self._lines.append(self._open)
            self._open, self._on_line_of_brace = None, True
        elif self._open is not None and (self._line_ends == 0 or word == "->" or self._last in ("->", ",")):
            self._continue(self._open.rows, word)
        else:
            self._close()
            self._open = self._line(word)
        self._line_ends, self._last = 0, word

    def end(self) -> list[_Line]:
        self._close()
        return self._lines

    def _read_closing_brace(self) -> None:
        """Close a block. A statement in braces on one line, as in `repeat 3 { conv 8 }`, stays on that line."""
        head, inside = self._lines[-1], self._open
        if self._on_line_of_brace and inside is not None and head.opens and head.depth > 0:
            head.rows[-1].words += [*inside.words, "}"]
            self._open = None
            self._keywords.pop()
            return
        self._close()
        self._keywords.pop()
        self._lines.append(self._line("}"))

    def _continue(self, rows: list[_Row], word: str) -> None:
        """Add a word to the open statement: on a new row after a comment, or after a line break at an arrow."""
        at_arrow = "->" in (word, self._last)
        if not (self._comments or rows[-1].comment or (self._line_ends and at_arrow)):
            rows[-1].words.append(word)
            return
        moved = [rows[-1].words.pop()] if self._last == "->" else []
        if not rows[-1].words and not rows[-1].comment:
            rows.pop()
        rows += [_Row(comment=text) for text, _ in self._comments]
        rows.append(_Row([*moved, word]))
        self._comments = []

    def _close(self) -> None:
        """End the open statement and add the waiting comments after it."""
        if self._open is not None:
            self._lines.append(self._open)
            self._open = None
        for text, blank in self._comments:
            self._lines.append(_Line(len(self._keywords), [_Row(comment=text)], of_layers=True, blank=blank))
        self._comments = []

    def _line(self, word: str) -> _Line:
        of_layers = bool(self._keywords) and self._keywords[0] in _BLOCKS_OF_LAYERS
        return _Line(len(self._keywords), [_Row([word])], of_layers, self._line_ends > 1)


def _formatted(lines: list[_Line]) -> str:
    _set_blanks(lines)
    for line in lines:
        for number, row in enumerate(line.rows):
            row.text = " " * _INDENT * (line.depth + (number > 0)) + _spaced(row.words)
    tail = _set_columns(lines)
    output: list[str] = []
    for part in _parts(lines):
        output += ["", *_with_comments(part, tail)] if output else _with_comments(part, tail)
    return "".join(f"{text}\n" for text in output)


def _set_blanks(lines: list[_Line]) -> None:
    """Remove empty lines at the start and the end of blocks and of the file; put one after every block of the file."""
    before: _Line | None = None
    for line in lines:
        if before is None or before.opens or line.closes:
            line.blank = False
        elif before.closes and before.depth == 0:
            line.blank = True
        before = line


def _parts(lines: Iterable[_Line]) -> list[list[_Row]]:
    """The rows, grouped by the empty lines between them."""
    parts: list[list[_Row]] = []
    for line in lines:
        if line.blank or not parts:
            parts.append([])
        parts[-1] += line.rows
    return parts


def _with_comments(rows: list[_Row], tail: int) -> list[str]:
    """The rows as text. Their comments are in one column: the column `tail` of the file if they fit there."""
    behind = [row for row in rows if row.words and row.comment]
    nearest = max((len(row.text) for row in behind), default=0) + 2
    fits = all(tail + len(row.comment) <= WIDEST for row in behind)
    column = max(nearest, tail) if fits else nearest
    return [f"{row.text.ljust(column) if row.words and row.comment else row.text}{row.comment}" for row in rows]


def _set_columns(lines: Sequence[_Line]) -> int:
    """Align every group of neighbouring statements in columns. Returns the rightmost column of a tail, or 0."""
    tails = [0]
    for _, group in groupby(_numbered_groups(lines), key=lambda pair: pair[0]):
        statements = [line for _, line in group]
        if statements[0].is_setting:
            _set_settings(statements)
        else:
            tails.append(_set_layers(statements))
    return max(tails)


def _numbered_groups(lines: Iterable[_Line]) -> Iterator[tuple[int, _Line]]:
    """The statements with columns, each with the number of its group.

    Neighbouring settings, or neighbouring layers, at the same depth are a group, also with comments between them.
    """
    number = 0
    last: tuple[int, bool] | None = None
    for line in lines:
        nature = last if line.is_comment else (line.depth, line.is_setting)
        if line.blank or nature != last or line.opens or line.closes:
            number += 1
        last = nature
        if line.has_columns:
            yield number, line


def _set_settings(lines: Sequence[_Line]) -> None:
    """Align the keywords in one column, and the values of each keyword in columns."""
    statements = [_arguments(line.words) for line in lines]
    width = max((len(statement[0]) for statement in statements if len(statement) > 1), default=0)
    for keyword, alike in _grouped(zip(lines, statements, strict=True), lambda pair: pair[1][0]).items():
        gap = " " if keyword == DEFAULT else ""
        texts = _in_columns([rest for _, (_, *rest) in alike], gap)
        for (line, _), text in zip(alike, texts, strict=True):
            line.rows[0].text = f"{' ' * _INDENT * line.depth}{keyword.ljust(width)} {text}".rstrip()


@dataclass
class _Layer:
    """The first row of a layer's statement: label, start, kind, arguments, and the following steps as the tail."""

    line: _Line
    label: str
    start: str
    kind: str
    arguments: list[str]
    tail: str
    text: str = ""  # all but the tail, aligned in columns

    @classmethod
    def of(cls, line: _Line) -> _Layer:
        words = line.words
        colon = words.index(":") + 1 if ":" in words else 0
        steps = [list(step) for arrow, step in groupby(words[colon:], key="->".__eq__) if not arrow]
        starts = len(steps) > 1 and len(steps[0]) == 1
        start = f"{steps.pop(0)[0]} -> " if starts else ""
        kind, *arguments = _arguments(steps[0])
        if "=" in kind:
            kind, arguments = "", [kind, *arguments]
        tail = "".join(f" -> {_spaced(step)}" for step in steps[1:]).lstrip()
        return cls(line, _spaced(words[:colon]), start, kind, arguments, tail)


def _set_layers(lines: Sequence[_Line]) -> int:
    """Align labels, values and the first arrows in columns. Returns the column of the arrows, or 0."""
    labels = max(len(_label(line.words)) for line in lines) + 1
    for line in lines:
        _break_wide_rows(line, labels)
    layers = [_Layer.of(line) for line in lines]
    for alike in _grouped(layers, lambda layer: (layer.kind, bool(layer.start))).values():
        starts = max(len(layer.start) for layer in alike)
        _set_arguments(alike, labels, starts, _in_columns([layer.arguments for layer in alike]))
        if any(len(f"{layer.text} {layer.tail}".rstrip()) > WIDEST for layer in alike):
            _set_arguments(alike, labels, 0, [" ".join(layer.arguments) for layer in alike])
    with_tails = [layer for layer in layers if layer.tail]
    column = _even(max((len(layer.text) + 2 for layer in with_tails), default=0))
    aligned = len(with_tails) > 1 and all(column + len(layer.tail) <= WIDEST for layer in with_tails)
    for layer in layers:
        before = layer.text.ljust(column) if aligned else f"{layer.text} "
        layer.line.rows[0].text = f"{before}{layer.tail}" if layer.tail else layer.text
    return column if aligned else 0


def _set_arguments(layers: Sequence[_Layer], labels: int, starts: int, arguments: Sequence[str]) -> None:
    """Set all but the tail, with labels and starts of these widths."""
    for layer, text in zip(layers, arguments, strict=True):
        label = layer.label.ljust(labels) if layer.label else ""
        body = " ".join(filter(None, [f"{layer.start.ljust(starts)}{layer.kind}", text]))
        layer.text = f"{' ' * _INDENT * layer.line.depth}{label}{body}"


def _label(words: Sequence[str]) -> str:
    return _spaced(words[: words.index(":") + 1]) if ":" in words else ""


def _break_wide_rows(line: _Line, labels: int) -> None:
    """Break rows that are wider than `WIDEST`, with a label of this width, before the last arrow that fits."""
    rows: list[_Row] = []
    for number, row in enumerate(line.rows):
        label = _label(row.words) if number == 0 else ""
        margin = _INDENT * (line.depth + (number > 0)) + (labels - len(label) if label else 0)
        indent = len(row.text) - len(row.text.lstrip())
        rows.append(row)
        while _is_wide(row.words, margin) and (place := _last_arrow_that_fits(row.words, margin)):
            rest = _Row(row.words[place:])
            row.words, row.comment, rest.comment = row.words[:place], "", row.comment
            row.text = f"{' ' * indent}{_spaced(row.words)}"
            margin = indent = _INDENT * (line.depth + 1)
            rows.append(rest)
            row = rest
        row.text = f"{' ' * indent}{_spaced(row.words)}"
    line.rows = rows


def _is_wide(words: Sequence[str], margin: int) -> bool:
    return margin + len(_spaced(words[:WIDEST])) > WIDEST  # further words cannot make it narrower


def _last_arrow_that_fits(words: Sequence[str], margin: int) -> int | None:
    """The place of the arrow to break before: the first one if none fits; None if there is none.

    A line that starts from another layer keeps that name and its first step together.
    """
    begin = words.index(":") + 1 if ":" in words[:WIDEST] else 0
    from_another = words[begin + 1 : begin + 2] == ["->"]
    fits = None
    for place, word in enumerate(words):
        if word == "->" and place > begin + from_another:
            if margin + len(_spaced(words[:place])) > WIDEST:
                return fits or place
            fits = place
    return fits


def _grouped(things: Iterable[Thing], key: Callable[[Thing], Key]) -> dict[Key, list[Thing]]:
    groups: dict[Key, list[Thing]] = {}
    for thing in things:
        groups.setdefault(key(thing), []).append(thing)
    return groups


def _arguments(words: Sequence[str]) -> list[str]:
    """Split a step into its kind, values such as `96` or `conv, linear`, and arguments such as `kernel=3`."""
    parts: list[list[str]] = []
    depth = 0
    for before, word in zip(["", *words[:-1]], words, strict=True):
        joined = depth or word in ("(", ")", ",", "=", "..") or before in (",", "=", "..")
        depth += (word == "(") - (word == ")")
        if joined:
            parts[-1].append(word)
        else:
            parts.append([word])
    return [_spaced(part) for part in parts]


def _in_columns(rows: Sequence[Sequence[str]], gap: str = "") -> list[str]:
    """The arguments of steps of one kind as text: the leading values in columns, then `gap` and the others."""
    values = [list(_leading_values(row)) for row in rows]
    widths = [max(map(len, column)) for column in zip_longest(*values, fillvalue="")]
    output = []
    for row, leading in zip(rows, values, strict=True):
        cells = [value.ljust(width) for value, width in zip(leading, widths, strict=False)]
        rest = " ".join(row[len(leading) :])
        output.append(" ".join([*cells, f"{gap}{rest}"] if rest else cells).rstrip())
    return output


def _leading_values(arguments: Iterable[str]) -> Iterator[str]:
    for argument in arguments:
        if "=" in argument:
            return
        yield argument


def _spaced(words: Iterable[str]) -> str:
    """The words with the blanks between them that the style has."""
    text, before = "", "("
    for word in words:
        text += word if before in _NO_BLANK_AFTER or word in _NO_BLANK_BEFORE else f" {word}"
        before = word
    return text


def _even(column: int) -> int:
    return column + column % 2
