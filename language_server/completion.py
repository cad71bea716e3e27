"""The completions that an editor offers while a word is typed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from alexc.compiler.layers.arguments import Arguments
from alexc.compiler.layers.initial_values import DISTRIBUTIONS
from alexc.compiler.layers.kind import Join
from alexc.compiler.layers.registry import kinds
from alexc.compiler.recipe.steps import CHOICES, PIPELINES, RECIPE_STATEMENTS
from alexc.compiler.reference import (
    arguments_in_order,
    choices_in_words,
    default_of,
    documentation,
    steps,
    title,
    usage,
)
from alexc.compiler.tree.tree import Block
from alexc.compiler.vocabulary import (
    BLOCK,
    BLOCKS,
    BY,
    DEFAULT,
    EDITS,
    EVERY,
    EXTENDS,
    IN,
    INPUT,
    KEEP,
    NETWORK,
    ON,
    PLACEMENT,
    PLACEMENT_STATEMENTS,
    REPETITION,
    SEND,
    SEND_WORDS,
    SETTINGS,
    SPLIT,
    SPLIT_WORDS,
    TRAIN,
    WITHOUT,
)

from .context import Context, context_at, keys, values_without_key
from .hover import model_of
from .spec import Spec

CompletionKind = Literal[
    "keyword", "kind", "block", "argument", "value", "layer", "axis", "parameter", "network", "file"
]


@dataclass(frozen=True)
class Completion:
    """A word that completes the text at an offset.

    Attributes:
        word: the text to insert; for an argument it ends in `=`.
        kind: the kind of word, for the editor's icon.
        detail: a short text that the editor shows beside the word.
        documentation: a longer text in Markdown.
    """

    word: str
    kind: CompletionKind
    detail: str = ""
    documentation: str = ""


def complete(spec: Spec, offset: int) -> tuple[list[Completion], int]:
    """Returns the completions at an offset, the most likely first, and the offset where the typed word begins."""
    line = spec.text[spec.text.rfind("\n", 0, offset) + 1 : offset]
    context = context_at(spec.text, offset)
    if "#" in line.replace(context.word, "") or context.word.startswith('"'):
        return (list(_files(spec)), context.start + 1) if _in_base(context) else ([], offset)
    readers = {None: _heads, NETWORK: _lines, BLOCK: _lines, PLACEMENT: _placement, TRAIN: _recipe}
    offers = readers[context.block](spec, context) if context.block in readers else iter(())
    return list({offer.word: offer for offer in offers}.values()), context.start


def _in_base(context: Context) -> bool:
    return not context.heads and context.before[-1:] == (EXTENDS,)


def _files(spec: Spec) -> Iterator[Completion]:
    if spec.path is not None:
        for path in sorted(spec.path.parent.glob("*.net")):
            if path != spec.path:
                yield Completion(path.name, "file")


def _heads(spec: Spec, context: Context) -> Iterator[Completion]:
    before = context.before
    if not before:
        yield from _keywords(BLOCKS)
    elif before[-1] == EXTENDS:
        for name in re.findall(rf"^[ \t]*{before[0]}[ \t]+(\w+)", spec.text[: context.start], re.MULTILINE):
            if name != before[1]:
                yield Completion(name, "network", before[0])
    elif before[0] in (NETWORK, PLACEMENT, TRAIN) and EXTENDS not in before:
        yield Completion(EXTENDS, "keyword", "another one of this file or of another file")


def _lines(spec: Spec, context: Context) -> Iterator[Completion]:
    step = context.step
    if context.label[:1] and not step:
        yield from _kinds(spec)
        yield from (offer for offer in _layers(spec, context) if context.is_first_step)
        yield from _changed_arguments(spec, context)
    elif not context.before:
        yield from _edits(spec, context)
        yield from _settings(context)
        yield from _kinds(spec)
        yield from _layers(spec, context)
    elif not step:
        yield from _kinds(spec)
    elif context.key is not None:
        yield from _values(spec, context)
    elif context.is_first_step and not context.label and step[0] in (*EDITS, DEFAULT):
        yield from _of_setting(spec, context)
    else:
        yield from _arguments(spec, context)


def _edits(spec: Spec, context: Context) -> Iterator[Completion]:
    if context.extends and len(context.heads) == 1:
        yield from _keywords(EDITS)
        if spec.graph is not None:
            yield from (Completion(node.layer.name, "layer", node.layer.kind.keyword) for node in spec.graph.nodes)


def _settings(context: Context) -> Iterator[Completion]:
    if context.block == NETWORK and len(context.heads) == 1:
        yield from _keywords(SETTINGS)
    yield from _keywords(REPETITION)


def _of_setting(spec: Spec, context: Context) -> Iterator[Completion]:
    word = context.step[0]
    if word in (EVERY, WITHOUT, DEFAULT):
        yield from (Completion(name, "kind", title(kind)) for name, kind in kinds().items())
    if word == DEFAULT:
        yield from _arguments(spec, context)
    elif word != EVERY and spec.graph is not None:
        yield from (Completion(name, "layer") for name in spec.graph.statements())


def _kinds(spec: Spec) -> Iterator[Completion]:
    for name, kind in kinds().items():
        yield Completion(name, "kind", title(kind), f"`{usage(kind)}`\n\n{documentation(kind)}")
    for name, block in spec.known_symbols.blocks.items():
        yield Completion(name, "block", _parameters_in_words(block))


def _layers(spec: Spec, context: Context) -> Iterator[Completion]:
    """The layers that a line here can read: the lines above it in the same block or network."""
    names = spec.known_symbols
    inside = context.heads[0][1] if context.block == BLOCK and len(context.heads[0]) > 1 else None
    lines = names.lines if inside is None else names.block_lines.get(inside, {})
    for name, line in lines.items():
        above = line.name.span.source is not spec.source or line.name.span.start < context.start
        if above and name != "".join(context.label):
            yield Completion(name, "layer")
    yield Completion(INPUT, "layer", "the input of the network or block")


def _arguments(spec: Spec, context: Context) -> Iterator[Completion]:
    step = context.step
    block = spec.known_symbols.blocks.get(step[0])
    if block is not None:
        for parameter in block.parameters:
            if parameter.name.text not in keys(step):
                yield Completion(f"{parameter.name.text}=", "argument", "a parameter of the block")
    model = model_of(spec, context)
    if model is not None:
        yield from _keys_of(model, () if step[0] == DEFAULT else step)
        if issubclass(model, Join):
            yield from _layers(spec, context)
    yield from _own_parameters(spec, context)


def _changed_arguments(spec: Spec, context: Context) -> Iterator[Completion]:
    """The arguments for a line such as `conv1: kernel=7`, which changes a layer of the base network."""
    if context.extends and (model := model_of(spec, context)) is not None:
        yield from _keys_of(model, ())


def _keys_of(model: type[Arguments], step: Sequence[str]) -> Iterator[Completion]:
    given = {*keys(step), *model.positional[: values_without_key(step)]}
    for name in arguments_in_order(model):
        if name not in given:
            default = default_of(model, name).replace("`", "")
            words = model.expectation(name).words
            yield Completion(f"{name}=", "argument", f"{words}; {default}" if default else words)


def _values(spec: Spec, context: Context) -> Iterator[Completion]:
    """The values of an argument: its choices, and the parameters of the block."""
    model, key = model_of(spec, context), context.key
    if model is not None and key in model.model_fields:
        expected = model.expectation(key)
        for word in expected.choices:
            distribution = DISTRIBUTIONS.get(word)
            yield Completion(word, "value", usage(distribution) if distribution is not None else "")
        for word in expected.calls:
            yield Completion(word, "value", f"`{word}(…)`")
        for word in ("none", "same"):
            if f"`{word}`" in expected.words and word not in expected.choices:
                yield Completion(word, "value")
    yield from _own_parameters(spec, context)


def _own_parameters(spec: Spec, context: Context) -> Iterator[Completion]:
    if context.block == BLOCK and len(context.heads[0]) > 1:
        block = spec.known_symbols.blocks.get(context.heads[0][1])
        for parameter in block.parameters if block is not None else ():
            yield Completion(parameter.name.text, "parameter", "a parameter of the block")


def _placement(spec: Spec, context: Context) -> Iterator[Completion]:
    before = context.before
    if not before:
        yield from _keywords(PLACEMENT_STATEMENTS)
    elif before[0] == SPLIT:
        if len(before) == 1:
            yield from (Completion(word, "keyword") for word in SPLIT_WORDS)
        elif before[-1] in SPLIT_WORDS:
            yield Completion(BY, "keyword", "an axis of the mesh")
        elif before[-1] == BY:
            yield from _axes(spec, context)
        elif IN in before:
            yield from _own_lines(spec)
        else:
            yield Completion(IN, "keyword", "only in these layers; without it, in all layers")
    elif before[0] == SEND:
        yield from (Completion(word, "keyword") for word in SEND_WORDS if len(before) == 1)
    elif before[0] == KEEP:
        if before[-1] == ON:
            yield from _axes(spec, context)
        elif ON not in before:
            yield from _own_lines(spec)
            yield from (Completion(ON, "keyword", "an axis and the index of its device") for _ in before[1:2])


def _axes(spec: Spec, context: Context) -> Iterator[Completion]:
    name = context.heads[0][1] if len(context.heads[0]) > 1 else ""
    yield from (Completion(axis, "axis", f"of {name}") for axis in spec.known_symbols.axes.get(name, {}))


def _own_lines(spec: Spec) -> Iterator[Completion]:
    lines: Iterable[str] = spec.graph.statements() if spec.graph is not None else spec.known_symbols.lines
    yield from (Completion(name, "layer") for name in lines)


def _recipe(spec: Spec, context: Context) -> Iterator[Completion]:
    before = context.before
    if not before:
        yield from (Completion(word, "keyword", choices_in_words(word)) for word in RECIPE_STATEMENTS)
    elif context.key is not None:
        yield from _values(spec, context)
    elif before[-1] in (before[0], "->") and before[0] in CHOICES:
        if len(before) == 1 or before[0] in PIPELINES:
            yield from (
                Completion(step.keyword, "kind", usage(step), documentation(step)) for step in CHOICES[before[0]]
            )
    elif (model := model_of(spec, context)) is not None:
        yield from _keys_of(model, context.named_step)
        words = (word for name in model.positional for word in model.expectation(name).choices)
        yield from (Completion(word, "value") for word in words if context.step[-1] in steps())


def _keywords(words: Mapping[str, str]) -> Iterator[Completion]:
    yield from (Completion(word, "keyword", "", text) for word, text in words.items())


def _parameters_in_words(block: Block) -> str:
    return f"a block ({', '.join(parameter.name.text for parameter in block.parameters)})"
