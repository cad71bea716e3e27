"""Text to Tree, with the Lark parser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import Any

from lark import Lark, Token, Transformer, UnexpectedCharacters, UnexpectedInput, UnexpectedToken
from lark.lark import PostLex

from ..text.diagnostics import Diagnostic, list_in_words
from ..text.fixes import Help, close_block, remove_words
from ..text.source import Source, Span
from .tree import (
    Argument,
    Base,
    Block,
    Call,
    Change,
    Dimensions,
    LayerRange,
    Nested,
    Number,
    Parameter,
    Pipeline,
    Statement,
    Step,
    Tree,
    Value,
    Word,
)

_MOST_SYNTAX_ERRORS = 20
_DEEPEST_BRACKETS = 64
_LONGEST_TO_RETRY = 2**20  # characters; of a longer text only the first syntax error is reported

_IN_WORDS = {
    "WORD": "a name",
    "NUMBER": "a number",
    "DIMENSIONS": "sizes such as 3x227x227",
    "_ARROW": "`->`",
    "_RANGE": "`..`",
    "_EQUAL": "`=`",
    "COLON": "`:`",
    "EXTENDS": "`extends`",
    "TEXT": "a path in quotation marks",
    "_COMMA": "`,`",
    "_LPAR": "`(`",
    "RPAR": "`)`",
    "_LBRACE": "`{`",
    "_RBRACE": "`}`",
    "_NEWLINE": "the end of the line",
    "$END": "the end of the file",
}


def parse(source: Source) -> tuple[Tree, list[Diagnostic]]:
    """Parse a spec.

    A line with a syntax error is reported and replaced by blanks, and then the text is parsed again. So one run finds
    every such line. The tree is empty if the text still cannot be parsed.
    """
    diagnostics: list[Diagnostic] = []
    text: str | None = source.text
    while text is not None and len(diagnostics) < _MOST_SYNTAX_ERRORS:
        try:
            return Tree(source, tuple(_parse(source, text))), diagnostics
        except _TooDeep as error:
            diagnostics.append(_diagnose_depth(source, error.token))
            text = None
        except UnexpectedInput as error:
            diagnostics.append(_diagnose(source, error))
            can_retry = not _at_end(error) and len(text) <= _LONGEST_TO_RETRY
            text = _without_error(text, diagnostics[-1].span.start) if can_retry else None
    return Tree(source, ()), diagnostics


def _parse(source: Source, text: str) -> list[Block]:
    parser, builder = _parser()
    builder.source = source
    blocks: list[Block] = parser.parse(text)  # type: ignore[assignment]  # the transformer's `start` makes a list
    return blocks


def _at_end(error: UnexpectedInput) -> bool:
    return isinstance(error, UnexpectedToken) and error.token.type == "$END"


def _without_error(text: str, place: int) -> str | None:
    """The text without the line around `place`. If that line has a brace, the unfinished line above it is removed."""
    above = _unfinished_above(text, place)
    return _blank_line(text, place) or (None if above is None else _blank_line(text, above))


def _unfinished_above(text: str, place: int) -> int | None:
    """The start of the line above, if that line is not complete: `conv1:` or `conv 96 ->`."""
    end = text.rfind("\n", 0, place)
    while end > 0:
        start = text.rfind("\n", 0, end) + 1
        line = text[start:end].split("#")[0].rstrip()
        if line:
            return start if line.endswith(("->", ":", ",", "=")) else None
        end = start - 1
    return None


def _blank_line(text: str, place: int) -> str | None:
    """The text with blanks in the line around `place`; None if the line is empty or has a brace of a block."""
    start = text.rfind("\n", 0, place) + 1
    end = text.find("\n", place)
    end = len(text) if end < 0 else end
    line = text[start:end].split("#")[0]
    if not line.strip() or "{" in line or "}" in line:
        return None
    return text[:start] + " " * (end - start) + text[end:]


def _diagnose(source: Source, error: UnexpectedInput) -> Diagnostic:
    if isinstance(error, UnexpectedCharacters):
        return _diagnose_characters(source, error.pos_in_stream or 0)
    assert isinstance(error, UnexpectedToken)
    token = error.token
    expected = sorted({_IN_WORDS[name] for name in error.accepts or error.expected})
    if _at_end(error):
        end = Span(source, len(source.text.rstrip()), len(source.text.rstrip()))
        if "`}`" not in expected:
            return Diagnostic("E0101", "unexpected end of the file", end, f"expected {list_in_words(expected, 'or')}")
        return Diagnostic(
            "E0101",
            "the file ends inside a block",
            end,
            "the block's `}` is missing here",
            help=Help("close the block with `}` on a line of its own", close_block(source)),
        )
    found = "the end of the line" if token.type == "_NEWLINE" else f"`{token}`"
    place = Span(source, token.start_pos or 0, (token.start_pos or 0) + (1 if token.type == "_NEWLINE" else len(token)))
    return Diagnostic("E0101", f"unexpected {found}", place, f"expected {list_in_words(expected, 'or')}")


def _diagnose_depth(source: Source, token: Token) -> Diagnostic:
    message = f"brackets are nested more than {_DEEPEST_BRACKETS} deep"
    start = token.start_pos or 0
    return Diagnostic("E0101", message, Span(source, start, start + 1), help="move the inner part into a `block`")


def _diagnose_characters(source: Source, place: int) -> Diagnostic:
    run = re.compile(r"[+-]?[\w.]+|.", re.DOTALL).match(source.text, place)
    assert run is not None
    found, span = run.group(), Span(source, *run.span())
    if re.fullmatch(r"[+-]?\.?[0-9][0-9.]*([eE][+-]?[0-9]+)?(x[0-9]+)*", found) and len(found) > 2:
        return Diagnostic(
            "E0103",
            "the number has too many digits",
            span,
            "at most 15 digits before and after the point, and 2 in the exponent",
        )
    if found[0].isdigit():
        return Diagnostic(
            "E0101",
            f"`{found}` is neither a number nor a name",
            span,
            help="a name begins with a letter; a number looks like `96` or `1e-4`",
        )
    hint = {
        '"': "use quotation marks only around the path after `extends`, and close them on the same line",
        ";": Help(
            "remove it: a statement ends at the end of its line", remove_words(span) if _ends_line(span) else None
        ),
    }
    shown = f"`{found}`" if found.isprintable() else f"the character U+{ord(found):04X}"
    return Diagnostic("E0101", f"{shown} has no meaning in a spec", span, help=hint.get(found, ""))


def _ends_line(span: Span) -> bool:
    """Whether only blanks or a comment follow in the line."""
    return re.compile(r"[ \t\f]*(?:[#\r\n]|\Z)").match(span.source.text, span.end) is not None


class _TooDeep(Exception):  # noqa: N818 - it reports an error in a spec, not in the program
    def __init__(self, token: Token) -> None:
        super().__init__(token)
        self.token = token


class _LineEnds(PostLex):
    """Removes the line ends that do not end a statement: those after `->`, `{` or `,` and those before `->` or `{`.

    Raises:
        _TooDeep: brackets are nested too deeply.
    """

    always_accept = ("_NEWLINE", "WORD")  # a line end waits for the next word, which decides

    def process(self, stream: Iterator[Token]) -> Iterator[Token]:
        held: Token | None = None
        previous = "_LBRACE"
        depth = 0
        for token in stream:
            depth += (token.type in ("_LBRACE", "_LPAR")) - (token.type in ("_RBRACE", "RPAR"))
            if depth > _DEEPEST_BRACKETS:
                raise _TooDeep(token)
            if token.type == "_NEWLINE":
                if previous not in ("_ARROW", "_LBRACE", "_COMMA"):
                    held = held or token
                continue
            if held is not None and token.type not in ("_ARROW", "_LBRACE"):
                yield held
            held, previous = None, token.type
            yield token


class _TreeBuilder(Transformer[Token, list[Block]]):
    """Builds the nodes of the Tree while Lark parses. Each method gets the parts of the grammar rule with its name."""

    source: Source

    def start(self, blocks: list[Block]) -> list[Block]:
        return blocks

    def block(self, parts: list[Any]) -> Block:
        words = [self._word(part) for part in parts if isinstance(part, Token)]
        parameters = [part for part in parts if isinstance(part, list)]
        base = [part for part in parts if isinstance(part, Base)]
        return Block(
            words[0],
            words[1] if len(words) > 1 else None,
            tuple(parameters[0]) if parameters else (),
            base[0] if base else None,
            tuple(part for part in parts if isinstance(part, Statement)),
            words[0].span.to(words[-1].span),
        )

    def parameters(self, parts: list[Token | Parameter]) -> list[Parameter]:
        return [part for part in parts if isinstance(part, Parameter)]

    def parameter(self, parts: list[Any]) -> Parameter:
        return Parameter(self._word(parts[0]), parts[1] if len(parts) > 1 else None)

    def base(self, parts: list[Token]) -> Base:
        target = parts[1:]
        path = str(target[0])[1:-1] if target[0].type == "TEXT" else None
        name = self._word(target[-1]) if target[-1].type == "WORD" else None
        return Base(path, name, self._span(target[0]).to(self._span(target[-1])))

    def pipeline(self, parts: list[Any]) -> Pipeline:
        label, steps = _split_label(parts)
        return Pipeline(label, tuple(steps), parts[0].span.to(steps[-1].span))

    def change(self, parts: list[Any]) -> Change:
        label, arguments = _split_label(parts)
        assert label is not None
        return Change(label, tuple(arguments), label.span.to(arguments[-1].span))

    def nested(self, parts: list[Any]) -> Nested:
        label, (head, *statements) = _split_label(parts)
        return Nested(label, head, tuple(statements), parts[0].span.to(head.span))

    def step(self, parts: list[Any]) -> Step:
        kind = self._word(parts[0])
        arguments = tuple(parts[1:])
        return Step(kind, arguments, kind.span.to(arguments[-1].span if arguments else kind.span))

    def keyed(self, parts: list[Any]) -> Argument:
        key = self._word(parts[0])
        return Argument(key, (parts[1],), key.span.to(parts[1].span))

    def positional(self, values: list[Value]) -> Argument:
        return Argument(None, tuple(values), values[0].span.to(values[-1].span))

    def word(self, parts: list[Token]) -> Word:
        return self._word(parts[0])

    def number(self, parts: list[Token]) -> Number:
        text = str(parts[0])
        return Number(float(text) if set(text) & set(".eE") else int(text), self._span(parts[0]))

    def dimensions(self, parts: list[Token]) -> Dimensions:
        return Dimensions(tuple(int(size) for size in parts[0].split("x")), self._span(parts[0]))

    def layer_range(self, parts: list[Token]) -> LayerRange:
        return LayerRange(self._word(parts[0]), self._word(parts[1]), self._span(parts[0]).to(self._span(parts[1])))

    def call(self, parts: list[Any]) -> Call:
        return Call(self._word(parts[0]), tuple(parts[1:-1]), self._span(parts[0]).to(self._span(parts[-1])))

    def _word(self, token: Token) -> Word:
        return Word(str(token), self._span(token))

    def _span(self, token: Token) -> Span:
        start = token.start_pos or 0
        return Span(self.source, start, start + len(token))


def _split_label(parts: list[Any]) -> tuple[Step | None, list[Any]]:
    """The part before the colon, or None without a colon, and the rest."""
    if len(parts) > 2 and isinstance(parts[1], Token):
        return parts[0], parts[2:]
    return None, parts


@cache
def _parser() -> tuple[Lark, _TreeBuilder]:
    grammar = files("alexc.compiler.tree").joinpath("grammar.lark").read_text(encoding="utf-8")
    builder = _TreeBuilder()
    return Lark(grammar, parser="lalr", postlex=_LineEnds(), transformer=builder), builder
