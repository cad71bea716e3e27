"""The meaning of every word, for the colours of an editor: its place in the syntax, or what its name refers to."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator

from lsprotocol.types import SemanticTokensLegend

from alexc.compiler.layers.registry import kinds
from alexc.compiler.reference import choices, steps
from alexc.compiler.vocabulary import BLOCK, NETWORK, TRAIN
from alexc.highlighting import words_of

from .spec import LONGEST_TEXT, Spec

# The roles of `alexc.highlighting` that are clear from the syntax. A `name` or a `label` needs a definition.
_OF_ROLE = {
    "comment": "comment",
    "path": "string",
    "heading": "keyword",
    "statement": "keyword",
    "kind": "function",
    "distribution": "type",
    "choice": "enumMember",
    "argument": "property",
    "number": "number",
    "operator": "operator",
}
_OF_SYMBOL = {
    "network": "class",
    "placement": "namespace",
    "block": "macro",
    "layer": "variable",
    "parameter": "parameter",
    "axis": "typeParameter",
    "file": "string",
}
_DECLARATION, _LIBRARY = 1, 2  # bits
_NUMBER = re.compile(r"[0-9_]+(?=\.|$)")
_TYPES = list(dict.fromkeys([*_OF_ROLE.values(), *_OF_SYMBOL.values()]))

LEGEND = SemanticTokensLegend(_TYPES, ["declaration", "defaultLibrary"])


def semantic_tokens(spec: Spec) -> list[int]:
    """Five numbers for each word: the lines and columns since the word before, the length, the type, the modifiers.

    The list is empty for a very long text.
    """
    if len(spec.text) > LONGEST_TEXT:
        return []
    data: list[int] = []
    last_line, last_start = 0, 0
    for start, end, type_, modifiers in _tokens(spec):
        line = spec.positions.line(start)
        before = spec.positions.line_start(line) if line != last_line else last_start
        columns = spec.positions.units(spec.text[before:start])  # so a long line is read only once
        length = spec.positions.units(spec.text[start:end])
        data += [line - last_line, columns, length, _TYPES.index(type_), modifiers]
        last_line, last_start = line, start
    return data


def _tokens(spec: Spec) -> Iterator[tuple[int, int, str, int]]:
    """Start, end, type and modifiers of each word that has a meaning, in the order of the text."""
    names = {
        each.span.start: (each.span.end, _OF_SYMBOL[each.kind], _DECLARATION if each.span == each.definition else 0)
        for each in spec.symbols.occurrences
    }
    starts = sorted(names)
    layers = {name for node in spec.graph.nodes for name in (node.layer.name, node.layer.line)} if spec.graph else set()
    words = choices()
    heads = [(block.span.start, block.keyword.text) for block in spec.tree.blocks]
    for start, end, role in words_of(spec.text):
        word = spec.text[start:end]
        inside = starts[bisect_left(starts, start) : bisect_left(starts, end)]
        for place in inside:
            stop, type_, modifiers = names[place]
            number = _NUMBER.match(word, stop - start)  # of a repetition
            yield place, stop if number is None else start + number.end(), type_, modifiers
        if inside:
            continue
        if role == "name" and word in layers:  # a layer whose name the compiler made
            yield start, end, _OF_SYMBOL["layer"], 0
        elif role == "name" and word in words and _keyword_at(start, heads) == TRAIN:  # `subtract mean_image`
            yield start, end, _OF_ROLE["choice"], 0
        elif (found := _by_syntax(role, word, _keyword_at(start, heads))) is not None:
            yield start, end, *found


def _keyword_at(place: int, heads: list[tuple[int, str]]) -> str:
    """The keyword of the block around a place; "" if the text cannot be parsed."""
    number = bisect_right(heads, place, key=lambda head: head[0])
    return heads[number - 1][1] if number else ""


def _by_syntax(role: str, word: str, block: str) -> tuple[str, int] | None:
    if role == "kind" or role == "label":
        known = {NETWORK: kinds(), BLOCK: kinds(), TRAIN: steps()}.get(block, {})
        is_kind = word in known if block else role == "kind"
        return ("function", _LIBRARY) if is_kind else None
    return (_OF_ROLE[role], 0) if role in _OF_ROLE else None
