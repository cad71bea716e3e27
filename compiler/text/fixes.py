"""The edits that remove a diagnostic. Each is made together with the help that describes it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

from .source import Source, Span

_MOST_SUGGESTIONS = 1000  # with more known words, none is suggested
_MOST_CHOICES = 8  # a help that lists more words has no edits
_LONGEST_TITLE = 80  # characters
_REST_IS_BLANK = re.compile(r"[ \t\f]*(?=\r?\n|\Z)")
_REST_IS_COMMENT = re.compile(r"[ \t\f]*(?:#[^\r\n]*)?(?=\r?\n|\Z)")
_HEAD_TO_BRACE = re.compile(r"(?:\s|#[^\n]*\n)*\{")
_BLANKS = " \t\f"


@dataclass(frozen=True)
class Fix:
    """An edit that removes a diagnostic: the characters of `span` become `replacement`."""

    span: Span
    replacement: str

    @property
    def title(self) -> str:
        """What the edit does, for a menu: ``replace `kernal` by `kernel` ``."""
        old, new = _in_one_line(self.span.text), _in_one_line(self.replacement)
        if not new:
            return "start a new line" if self.replacement else f"remove `{old}`"
        if not old:
            return f"add `{new}`"
        return f"replace `{old}` by `{new}`"


class Help(str):
    """A help text with the edits that it describes. Several edits are alternatives; the best is the first."""

    fixes: tuple[Fix, ...]

    def __new__(cls, text: str, *fixes: Fix | None) -> Help:
        """Make a help text; a fix of None is one that this place does not have."""
        made = super().__new__(cls, text)
        made.fixes = tuple(fix for fix in fixes if fix is not None)
        return made


def did_you_mean(word: str | Span, known: Iterable[str]) -> str:
    """A help text for a misspelt word: the most similar known word, or all known words if none is similar.

    If `word` is a place in a text, the help has edits that put the known word there.
    """
    text = word if isinstance(word, str) else word.text
    words = sorted(known)
    if len(words) > _MOST_SUGGESTIONS:
        return ""
    near = get_close_matches(text, words, n=1, cutoff=0.6)
    help_ = f"did you mean `{near[0]}`?" if near else f"use one of: {', '.join(words)}" if words else ""
    choices = near or (words if len(words) <= _MOST_CHOICES else [])
    return help_ if isinstance(word, str) else Help(help_, *(Fix(word, choice) for choice in choices))


def set_argument(span: Span, name: str, value: str) -> Fix:
    """Give an argument another value; `span` is the argument as it is written, with or without its key."""
    keyed = re.match(rf"{name}\s*=", span.text) is not None
    return Fix(span, f"{name}={value}" if keyed else value)


def remove_words(span: Span) -> Fix:
    """Remove words from a line, with the blanks before them."""
    text, start = span.source.text, span.start
    while start > 0 and text[start - 1] in _BLANKS:
        start -= 1
    return Fix(Span(span.source, start, span.end), "")


def remove_statement(span: Span) -> Fix:
    """Remove a statement, with its line unless something else is in the line."""
    text = span.source.text
    start = text.rfind("\n", 0, span.start) + 1
    rest = _REST_IS_BLANK.match(text, span.end)
    if text[start : span.start].strip() or rest is None:
        return remove_words(span)
    end = text.find("\n", rest.end()) + 1 or len(text)
    return Fix(Span(span.source, start, end), "")


def add_words(place: Span, words: str) -> Fix:
    """Add words after a place in a line."""
    return Fix(Span(place.source, place.end, place.end), f" {words}")


def add_line_after(statement: Span, line: str) -> Fix:
    """Add a line after a statement, with the same indentation."""
    text = statement.source.text
    start = text.rfind("\n", 0, statement.start) + 1
    before = text[start : statement.start]
    indent = before[: len(before) - len(before.lstrip())]
    rest = _REST_IS_COMMENT.match(text, statement.end)
    end = statement.end if rest is None else rest.end()
    return Fix(Span(statement.source, end, end), f"{_line_end(statement.source)}{indent}{line}")


def add_first_line(head: Span, line: str) -> Fix | None:
    """Add a line at the beginning of the block whose head is the words of a span."""
    text = head.source.text
    brace = _HEAD_TO_BRACE.match(text, head.end)
    if brace is None:
        return None
    start = text.rfind("\n", 0, head.start) + 1
    indent = text[start : head.start] if not text[start : head.start].strip() else ""
    line_end = _line_end(head.source)
    after = "" if _REST_IS_COMMENT.match(text, brace.end()) else f"{line_end}{indent}"
    return Fix(Span(head.source, brace.end(), brace.end()), f"{line_end}{indent}  {line}{after}")


def new_line_between(first: Span, second: Span) -> Fix:
    """Put a statement in a line of its own: the text from `first` to `second` becomes a line end."""
    line = add_line_after(first, "")
    return Fix(Span(first.source, first.end, second.start), line.replacement)


def close_block(source: Source) -> Fix:
    """Add a closing brace at the end of a text."""
    end = len(source.text.rstrip())
    return Fix(Span(source, end, end), f"{_line_end(source)}}}")


def _line_end(source: Source) -> str:
    return "\r\n" if "\r\n" in source.text else "\n"


def _in_one_line(text: str) -> str:
    """A text for a menu: blanks and line ends become one blank, and a long text is cut."""
    words = " ".join(text[: 4 * _LONGEST_TITLE].split())
    return words if len(words) <= _LONGEST_TITLE else f"{words[: _LONGEST_TITLE - 1]}…"
