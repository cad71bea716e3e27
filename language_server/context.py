"""The text before an offset of a file that may be half typed: the open blocks, and the statement so far."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from alexc.compiler.vocabulary import EXTENDS, TRAIN

_TOKEN = re.compile(
    r"""(?P<blank>[ \t\f]+|\#[^\r\n]*)|(?P<end>\r?\n)|(?P<text>"[^"\r\n]*"?)
    |(?P<word>[^\W\d]\w*(?:\.[^\W\d]\w*)*\.?)|(?P<other>->|\.\.|[+-]?[\d.][\w.]*|.)""",
    re.VERBOSE | re.DOTALL,
)
_GO_ON = ("->", ",", "{")


@dataclass(frozen=True)
class Context:
    """The surroundings of a word.

    Attributes:
        heads: the words before each open brace, the outermost block's first.
        before: the words of the statement before this one.
        word: the part of the word before the offset; inside quotation marks, `"` and the text after it.
        start: where the word begins.
    """

    heads: tuple[tuple[str, ...], ...]
    before: tuple[str, ...]
    word: str
    start: int

    @property
    def block(self) -> str | None:
        """The keyword of the outermost open block, or None between blocks."""
        return self.heads[0][0] if self.heads and self.heads[0] else None

    @property
    def extends(self) -> bool:
        """Whether the outermost open block extends another one."""
        return bool(self.heads) and EXTENDS in self.heads[0]

    @property
    def label(self) -> tuple[str, ...]:
        """The words before the colon."""
        return self.before[: self.before.index(":")] if ":" in self.before else ()

    @property
    def step(self) -> tuple[str, ...]:
        """The words after the last arrow or the colon: a kind and its arguments."""
        words: Sequence[str] = self.before[self.before.index(":") + 1 :] if ":" in self.before else self.before
        cut = max((number + 1 for number, word in enumerate(words) if word == "->"), default=0)
        return tuple(words[cut:])

    @property
    def named_step(self) -> tuple[str, ...]:
        """The same without the first word of a recipe's statement: `resize 256` in `prepare resize 256`."""
        return self.step[1:] if self.block == TRAIN and self.is_first_step else self.step

    @property
    def is_first_step(self) -> bool:
        """Whether the statement has no arrow before the word."""
        return "->" not in self.before

    @property
    def key(self) -> str | None:
        """The argument whose value is typed here, or None."""
        return self.step[-2] if len(self.step) > 1 and self.step[-1] == "=" else None


def context_at(text: str, offset: int) -> Context:
    """The context of the word that ends at an offset or spans it."""
    heads: list[tuple[str, ...]] = []
    words: list[str] = []
    line_ended = False
    last: re.Match[str] | None = None
    for token in _TOKEN.finditer(text, 0, offset):
        if token.lastgroup == "blank":
            continue
        if token.lastgroup == "end":
            line_ended = True
            continue
        word = token.group()
        if token.lastgroup in ("word", "text") and token.end() == offset:
            last = token
            break
        if line_ended and words and words[-1] not in _GO_ON and word not in ("->", "{"):
            words = []
        line_ended = False
        if word == "{":
            heads.append(tuple(words))
            words = []
        elif word == "}":
            del heads[-1:]
            words = []
        else:
            words.append(word)
    if line_ended and words and words[-1] not in _GO_ON:
        words = []
    return Context(tuple(heads), tuple(words), last.group() if last else "", last.start() if last else offset)


def word_at(text: str, offset: int) -> tuple[int, int]:
    """Start and end of the dotted name around an offset; both are the offset if there is no name."""
    start = end = offset
    while start > 0 and (text[start - 1].isalnum() or text[start - 1] in "_."):
        start -= 1
    while end < len(text) and (text[end].isalnum() or text[end] in "_."):
        end += 1
    dotted = text[start:end]
    if ".." in dotted:  # a range such as conv1..conv5: take one of its two names
        cut = start + dotted.index("..")
        start, end = (start, cut) if offset <= cut else (cut + 2, end)
    return start, end


def values_without_key(step: Sequence[str]) -> int:
    """The number of values without a key after the first word of a step; those in parentheses belong to one value."""
    depth, count = 0, 0
    for before, word, after in zip(step, step[1:], (*step[2:], ""), strict=False):
        depth += (word == "(") - (word == ")")
        count += depth == 0 and word not in ("=", ",", ")") and before not in ("=", ",") and after != "="
    return count


def keys(step: Sequence[str]) -> set[str]:
    """The words before `=` in a step."""
    return {word for word, after in pairwise(step) if after == "="}
