"""A Pygments lexer, so that Markdown, Sphinx and Jupyter highlight `net` code blocks.

The TextMate grammar in editors/vscode/ is generated from the same `rules`; a test compares the two.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import ClassVar

from pygments.lexer import Lexer
from pygments.token import (
    Comment,
    Error,
    Keyword,
    Name,
    Number,
    Operator,
    Punctuation,
    String,
    Whitespace,
    _TokenType,
)

_WORD = r"[^\W\d]\w*(?:\.[^\W\d]\w*)*"
_IS_NO_NAME = r"(?![\w.])(?![ \t]*(?::|=|->))"

TOKENS: dict[str, _TokenType] = {
    "comment": Comment.Single,
    "path": String,
    "heading": Keyword.Declaration,
    "declared": Name.Class,
    "statement": Keyword,
    "kind": Name.Builtin,
    "distribution": Name.Function,
    "choice": Keyword.Constant,
    "label": Name.Label,
    "argument": Name.Attribute,
    "number": Number,
    "operator": Operator,
    "punctuation": Punctuation,
    "name": Name,
}


class NetLexer(Lexer):
    """Splits a `.net` file into tokens. No character is lost, also not in a file with errors."""

    name = "alexc"
    aliases: ClassVar[Sequence[str]] = ["net", "alexc"]
    filenames: ClassVar[Sequence[str]] = ["*.net"]
    url = ""

    def get_tokens_unprocessed(self, text: str) -> Iterator[tuple[int, _TokenType, str]]:
        """Position, type and text of each token."""
        place = 0
        for start, end, role in words_of(text):
            yield from _between(text, place, start)
            yield start, TOKENS[role], text[start:end]
            place = end
        yield from _between(text, place, len(text))


def _between(text: str, start: int, end: int) -> Iterator[tuple[int, _TokenType, str]]:
    """The tokens between two words: blanks, and characters that have no meaning in a spec."""
    for run in re.finditer(r"\s+|\S+", text[start:end]):
        yield start + run.start(), Whitespace if run[0].isspace() else Error, run[0]


def words_of(text: str) -> Iterator[tuple[int, int, str]]:
    """Start, end and role of each word. The leftmost match counts; at one position the first rule counts."""
    pattern, roles = _pattern()
    for match in pattern.finditer(text):
        for group, role in roles.items():
            if match.start(group) >= 0:
                yield match.start(group), match.end(group), role


@cache
def _pattern() -> tuple[re.Pattern[str], dict[int, str]]:
    """One pattern of all rules, and the role of each of its groups."""
    numbered = [role for _, roles in rules() for role in roles]
    text = "|".join(f"(?:{pattern})" for pattern, _ in rules())
    return re.compile(text, re.MULTILINE), dict(enumerate(numbered, 1))


@cache
def rules() -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The patterns and the roles of their groups. Python and Oniguruma, which VS Code uses, match them alike."""
    from alexc.compiler import vocabulary as words
    from alexc.compiler.layers.initial_values import DISTRIBUTIONS
    from alexc.compiler.layers.registry import kinds
    from alexc.compiler.recipe.steps import RECIPE_STATEMENTS
    from alexc.compiler.reference import calls, choices, steps

    settings = [word for word in words.SETTINGS if word != words.INPUT]  # `input` has a rule of its own
    first = [*settings, *words.REPETITION, *words.EDITS, *words.PLACEMENT_STATEMENTS, *RECIPE_STATEMENTS]
    return (
        (r"(#[^\r\n]*)", ("comment",)),
        (r'("[^"\r\n]*")', ("path",)),
        (
            rf"\b({_one_of(words.BLOCKS)})[ \t]+({_WORD})(?=[ \t]*(?:\(|\{{|{words.EXTENDS}\b|$))",
            ("heading", "declared"),
        ),
        (rf"\b({_one_of([*words.BLOCKS, words.EXTENDS])}){_IS_NO_NAME}", ("heading",)),
        (rf"^[ \t]*({_one_of(first)}){_IS_NO_NAME}", ("statement",)),
        (rf"(?<![\w.])({words.INPUT})(?![\w.])(?![ \t]*[:=])", ("statement",)),
        (rf"(?<![\w.])({_one_of(words.SPLIT_WORDS)})(?=[ \t]+{words.BY}\b)", ("statement",)),
        (rf"(?<![\w.])({_one_of(words.LINKING_WORDS)}){_IS_NO_NAME}", ("statement",)),
        (rf"({_WORD})(?=[ \t]*:)", ("label",)),
        (rf"({_WORD})(?=[ \t]*=)", ("argument",)),
        (rf"(?<==)({_one_of(DISTRIBUTIONS)})(?![\w.])", ("distribution",)),
        (rf"(?<![\w.])({_one_of(calls())})(?=\()", ("distribution",)),
        (rf"(?<==)({_one_of(choices())})(?![\w.])", ("choice",)),
        (rf"(?<![\w.])({_one_of([*kinds(), *steps()])})(?![\w.])", ("kind",)),
        (rf"({_WORD})", ("name",)),
        (r"((?<![\w.])[0-9]+(?:x[0-9]+)+(?!\w))", ("number",)),
        (r"([+-]?(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?(?![\w.]))", ("number",)),
        (r"(->|\.\.|=)", ("operator",)),
        (r"([{}(),:])", ("punctuation",)),
    )


def _one_of(words: Iterable[str]) -> str:
    """An alternative of words, longest first, so that a word is not cut short by a shorter one."""
    return "|".join(sorted(set(words), key=lambda word: (-len(word), word)))
