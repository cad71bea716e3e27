"""The text that an editor shows over a word: the numbers of a layer, or the meaning of a kind or an argument."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from alexc.compiler.graph.graph import Node
from alexc.compiler.layers.arguments import Arguments
from alexc.compiler.layers.initial_values import DISTRIBUTIONS
from alexc.compiler.layers.registry import kinds
from alexc.compiler.net.spec_text import step_text
from alexc.compiler.placed_graph.placed_graph import PlacedGraph, PlacedLayer
from alexc.compiler.recipe.steps import RECIPE_STATEMENTS
from alexc.compiler.reference import (
    arguments_in_order,
    choices_in_words,
    default_of,
    documentation,
    steps,
    title,
    usage,
)
from alexc.compiler.text.diagnostics import list_in_words
from alexc.compiler.tree.tree import Block
from alexc.compiler.vocabulary import (
    BLOCK,
    BLOCKS,
    DEFAULT,
    EDITS,
    EVERY,
    NETWORK,
    PLACEMENT,
    PLACEMENT_STATEMENTS,
    REPETITION,
    SETTINGS,
    TRAIN,
)
from alexc.table import markdown

from .context import Context, context_at, word_at
from .spec import Spec

_MOST_LINES = 6  # shown of the layers that a block or a repetition expands to
_COUNTS = ("output", "weights", "biases", "neurons", "multiply-adds")


def hover(spec: Spec, offset: int) -> tuple[str, int, int] | None:
    """Returns Markdown and the start and end of the word that it explains; None if there is nothing to show."""
    start, end = word_at(spec.text, offset)
    word = spec.text[start:end]
    if not word or "#" in spec.text[spec.text.rfind("\n", 0, start) + 1 : start]:
        return None
    context = context_at(spec.text, start)
    parts = list(_parts(spec, start, word, context, spec.text[end:]))
    return ("\n\n".join(parts), start, end) if parts else None


def _parts(spec: Spec, start: int, word: str, context: Context, rest: str) -> Iterator[str]:
    if rest.lstrip(" \t").startswith("=") and (model := model_of(spec, context)) is not None:
        if word in model.model_fields:
            yield _argument(model, word)
        return
    nodes = spec.nodes_at(start)
    yield from _layers(spec, nodes)
    if (model := _model_named(context, word)) is not None:
        yield _model(model)
    elif not nodes:
        yield from _other(spec, start, word, context)


def model_of(spec: Spec, context: Context) -> type[Arguments] | None:
    """The kind, or the step of a recipe, whose arguments are typed here."""
    step = context.step
    if context.block == TRAIN:
        return steps().get(context.named_step[0]) if context.named_step else None
    if step[:1] == (DEFAULT,):
        named = [kinds()[word] for word in step[1:] if word in kinds()]
        return named[0] if named else None
    if step and step[0] in kinds():
        return kinds()[step[0]]
    if context.label[:1] == (EVERY,):
        return kinds().get(context.label[-1])
    if context.label and spec.graph is not None:  # `conv1: kernel=7` changes a layer of the base network
        for node in spec.graph.nodes:
            if node.layer.name == context.label[0]:
                return type(node.layer.kind)
    return None


def _model_named(context: Context, word: str) -> type[Arguments] | None:
    if context.block == TRAIN:
        return steps().get(word)
    if context.block == PLACEMENT:
        return None
    return kinds().get(word) or DISTRIBUTIONS.get(word)


def _argument(model: type[Arguments], name: str) -> str:
    default = default_of(model, name)
    what = f"`{name}` of `{model.keyword}`: {model.expectation(name).words}"
    if model.model_fields[name].is_required():
        return f"{what}; required"
    return f"{what}; default {default}" if default else what


def _model(model: type[Arguments]) -> str:
    heading = f"`{usage(model)}`" + (f": {title(model)}" if model.keyword in kinds() else "")
    rows = [(f"`{name}`", model.expectation(name).words, default_of(model, name)) for name in arguments_in_order(model)]
    table = [("argument", "must be", "default"), *rows]
    return "\n\n".join([heading, documentation(model), *(["\n".join(markdown(table, ()))] if rows else [])])


def _layers(spec: Spec, nodes: Sequence[Node]) -> Iterator[str]:
    """A section for each line that a word names, with its numbers."""
    lines: dict[str, list[Node]] = {}
    for node in nodes:
        lines.setdefault(node.layer.line, []).append(node)
    if lines and spec.checked.graph is None:
        yield "*The file has errors; these are the values of its last valid version:*"
    for line in list(lines)[:_MOST_LINES]:
        yield _line(spec, lines[line])
    if len(lines) > _MOST_LINES:
        yield f"and {len(lines) - _MOST_LINES} more copies"


def _line(spec: Spec, nodes: Sequence[Node]) -> str:
    first = nodes[0]
    reads = [
        f"{shape} from {f'`{name}`' if name else 'the image'}"
        for name, shape in zip(first.layer.inputs, first.given, strict=True)
    ]
    texts = [f"**{first.layer.name}** `{step_text(first.layer.kind)}`", f"reads {list_in_words(reads)}{_towers(first)}"]
    table = [_COUNTS, _counts(nodes)]
    texts.append("\n".join(markdown(table, set(_COUNTS[1:]))))
    if len(nodes) > 1:
        then = [f"`{step_text(node.layer.kind)}` {node.output}" for node in nodes[1:]]
        texts.append(f"then {', '.join(then)}")
    places = [f"- `{name}`: {_place(placed, first)}" for name, placed in spec.placed.items()]
    return "\n\n".join([*texts, *(["\n".join(places)] if places else [])])


def _counts(nodes: Sequence[Node]) -> tuple[str, ...]:
    """The counts of a line, added over its layers; the shape is the first layer's."""
    sums = (
        sum(node.weight_count for node in nodes),
        sum(node.bias_count for node in nodes),
        sum(node.neurons for node in nodes),
        sum(node.multiply_adds for node in nodes),
    )
    return (str(nodes[0].output), *(f"{count:,}" for count in sums))


def _towers(node: Node) -> str:
    towers = node.given[0].towers
    reads = getattr(node.layer.kind, "reads", None) or getattr(node.layer.kind, "over", None)
    if towers < 2 or reads is None:
        return ""
    if reads == "all":
        return f", of all {towers} towers"
    part = {"row": "the parts of its row", "cross": "the parts of its row and its column"}.get(reads, "its own part")
    return f"; each of the {towers} towers reads {part}"


def _place(placed: PlacedGraph, node: Node) -> str:
    """Where a placement computes a layer, and the output shape on one device."""
    for each in placed.layers():
        if each.whole.layer.name == node.layer.name:
            return (
                f"{', '.join(_axes(placed, each))}; the output per device is {each.local.output}{_share(placed, each)}"
            )
    return "with the loss"


def _axes(placed: PlacedGraph, layer: PlacedLayer) -> Iterator[str]:
    for axis, part in zip(placed.mesh, layer.layout, strict=True):
        where = f"{axis.name}={axis.devices}"
        if part == "whole":
            yield f"whole on each of {where}"
        elif isinstance(part, int):
            yield f"on device {part} of {where}"
        else:
            yield f"{part} split by {where}"


def _share(placed: PlacedGraph, layer: PlacedLayer) -> str:
    parts = placed.parts(layer.layout, "images")
    return f", for 1/{parts} of the images" if parts > 1 else ""


def _other(spec: Spec, start: int, word: str, context: Context) -> Iterator[str]:
    """The explanation of a keyword, a block, a parameter or an axis."""
    occurrence = spec.occurrence_at(start)
    if occurrence is not None and occurrence.kind == "block":
        yield from (_block(block) for name, block in spec.known_symbols.blocks.items() if name == word)
    elif occurrence is not None and occurrence.kind == "axis":
        yield from _axis(spec, context, word)
    elif occurrence is not None and occurrence.kind == "parameter":
        yield f"`{word}`: a parameter of the block"
    elif not context.heads:
        yield from _keyword(word, BLOCKS)
    elif not context.before or context.before[-1] == ":":
        recipe = {word: choices_in_words(word) for word in RECIPE_STATEMENTS}
        known = {
            TRAIN: recipe,
            NETWORK: SETTINGS | REPETITION | EDITS,
            BLOCK: REPETITION,
            PLACEMENT: PLACEMENT_STATEMENTS,
        }
        yield from _keyword(word, known.get(context.block or "", {}))


def _keyword(word: str, known: dict[str, str]) -> Iterator[str]:
    if word in known:
        yield f"`{word}`: {known[word]}"


def _axis(spec: Spec, context: Context, word: str) -> Iterator[str]:
    placed = spec.placed.get(context.heads[0][1]) if context.heads and len(context.heads[0]) > 1 else None
    for axis in placed.mesh if placed is not None else ():
        if axis.name == word:
            yield f"`{word}`: an axis of {axis.devices} devices"


def _block(block: Block) -> str:
    assert block.name is not None
    parameters = [
        each.name.text + (f"={each.default.span.text}" if each.default is not None else "") for each in block.parameters
    ]
    return f"`block {block.name.text}({', '.join(parameters)})`: a kind of layer made of {len(block.statements)} lines"
