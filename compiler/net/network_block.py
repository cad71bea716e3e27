"""Reads a `network` block and the blocks that it extends: input, towers and layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod

from ..layers.arguments import LARGEST_SIZE
from ..layers.kind import Join, Kind, Shape, Towers
from ..layers.registry import kinds
from ..text.diagnostics import MOST_ERRORS, Diagnostic, Label
from ..text.fixes import Fix, Help, did_you_mean, new_line_between, remove_statement, remove_words
from ..text.source import Span
from ..tree.tree import (
    Argument,
    Block,
    Dimensions,
    Number,
    Pipeline,
    Statement,
    Step,
    Word,
    first_line,
    last_line,
    only_value,
)
from ..vocabulary import DEFAULT, INPUT, SETTINGS
from .argument_binding import bind
from .block_definitions import read_blocks
from .expanded_parts import Enter, Item, Part, Scope
from .expander import Expander
from .net import Layer
from .variants import Editor

MOST_TOWERS = 1024


@dataclass
class NetworkBlock:
    """The content of a network; `input` is None if it is missing or wrong.

    `lines` are the names of the network's lines outside all blocks, in order, also of those with errors.
    """

    input_span: Span
    input: Shape | None = None
    towers: int = 1
    lines: list[str] = field(default_factory=list)
    layers: list[Layer] = field(default_factory=list)
    diagnostics: list[Diagnostic] = field(default_factory=list)


def read_network(chain: Sequence[Block], blocks: Sequence[Block]) -> NetworkBlock:
    """Read a network.

    Args:
        chain: the blocks from the one that extends no other up to the network.
        blocks: the `block` definitions that its lines can use.
    """
    root, own = chain[0], chain[-1]
    result = NetworkBlock(own.span)
    definitions = read_blocks(blocks, result.diagnostics)
    settings = _Settings(result)
    for block in chain:
        settings.read([each for each in block.statements if is_setting(each)])
    if result.input is None and not settings.seen(INPUT):
        message = "the network has no `input`"
        line = "input 3x227x227"
        helpful = Help(f"add a line such as `{line}`: channels x height x width", first_line(root, line))
        result.diagnostics.append(Diagnostic("E0210", message, root.span, help=helpful))
    expander = Expander(definitions, result.diagnostics)
    editor = Editor(expander.expand(_lines(root)), expander)
    for variant in chain[1:]:
        editor.apply(_lines(variant))
    if not editor.items and not result.diagnostics:
        message = "the network has no layers"
        line = "conv 96 kernel=11"
        helpful = Help(f"add a line such as `{line}`", last_line(own, line))
        result.diagnostics.append(Diagnostic("E0210", message, own.span, help=helpful))
    result.lines = list(dict.fromkeys([*(item.statement for item in editor.items), *expander.broken]))
    if not any(each.code == "E0604" for each in result.diagnostics):  # so all parts are there
        _Linker(result, settings.defaults, list(definitions), expander.broken).link(editor.items)
    return result


def is_setting(statement: Statement) -> bool:
    """Whether a statement is a setting: without a label, and not the pipeline `input -> …`."""
    if not isinstance(statement, Pipeline) or statement.label is not None:
        return False
    first = statement.steps[0]
    return first.kind.text in SETTINGS and bool(first.arguments or len(statement.steps) == 1)


def _lines(block: Block) -> list[Statement]:
    return [statement for statement in block.statements if not is_setting(statement)]


class _Settings:
    """Input, towers and defaults. Those of a variant replace those of the network that it extends."""

    def __init__(self, result: NetworkBlock) -> None:
        self._result = result
        self._seen: set[str] = set()
        self.defaults: dict[str, dict[str, Argument]] = {}

    def seen(self, name: str) -> bool:
        return name in self._seen

    def read(self, statements: Sequence[Statement]) -> None:
        """Read the settings of one block."""
        here: dict[str, Span] = {}
        fresh: dict[tuple[str, str], tuple[Argument, Fix]] = {}
        for statement in statements:
            assert isinstance(statement, Pipeline)
            step = statement.steps[0]
            name = step.kind.text
            if len(statement.steps) > 1:
                self._report(
                    "E0204",
                    f"`{name}` is a setting, so no step can follow it",
                    statement.steps[1].span,
                    help=Help("start a new line", new_line_between(step.span, statement.steps[1].span)),
                )
            elif name == DEFAULT:
                self._read_default(step, fresh)
            elif name in here:
                first = Label(here[name], "first given here")
                both = remove_statement(statement.span), remove_statement(here[name])
                helpful = Help("remove one of the two", *both)
                self._report("E0210", f"`{name}` is given twice", statement.span, first, helpful)
            else:
                here[name] = statement.span
                self._seen.add(name)
                (self._read_input if name == INPUT else self._read_towers)(step)

    def _read_input(self, step: Step) -> None:
        value = only_value(step)
        if (
            not isinstance(value, Dimensions)
            or len(value.sizes) != 3
            or not all(1 <= size <= LARGEST_SIZE for size in value.sizes)
        ):
            self._report("E0204", "`input` must be channels x height x width, as in `3x227x227`", step.span)
            return
        self._result.input, self._result.input_span = Shape(value.sizes), step.span

    def _read_towers(self, step: Step) -> None:
        value = only_value(step)
        if isinstance(value, Number) and isinstance(value.value, int) and 1 <= value.value <= MOST_TOWERS:
            self._result.towers = value.value
        elif isinstance(value, Dimensions) and len(value.sizes) == 2 and 1 <= prod(value.sizes) <= MOST_TOWERS:
            self._result.towers = Towers(*value.sizes)
        else:
            message = f"`towers` must be a whole number from 1 to {MOST_TOWERS}, or rows x columns as in `2x2`"
            self._report("E0204", message, step.span)

    def _read_default(self, step: Step, fresh: dict[tuple[str, str], tuple[Argument, Fix]]) -> None:
        named = [argument for argument in step.arguments if argument.key is None]
        given = [argument for argument in step.arguments if argument.key is not None]
        words = [value for argument in named for value in argument.values]
        if not words or not given:
            message = "`default` needs layer kinds and then arguments"
            self._report("E0203", message, step.span, help="for example: `default conv pad=1`")
            return
        for word in words:
            kind = kinds().get(word.text) if isinstance(word, Word) else None
            if kind is None:
                message = f"unknown layer kind `{word.span.text}`"
                self._report("E0201", message, word.span, help=did_you_mean(word.span, kinds()))
                continue
            for argument in given:
                removal = remove_words(argument.span) if len(given) > 1 else remove_statement(step.span)
                self._add_default(kind, argument, removal, fresh)

    def _add_default(
        self, kind: type[Kind], argument: Argument, removal: Fix, fresh: dict[tuple[str, str], tuple[Argument, Fix]]
    ) -> None:
        assert argument.key is not None
        key = argument.key
        if key.text not in kind.model_fields:
            message = f"`{kind.keyword}` has no argument `{key.text}`"
            self._report("E0202", message, key.span, help=did_you_mean(key.span, kind.model_fields))
        elif (kind.keyword, key.text) in fresh:
            before, other_removal = fresh[kind.keyword, key.text]
            message = f"`{key.text}` of `{kind.keyword}` has two defaults"
            helpful = Help("remove one of the two", removal, other_removal)
            self._report("E0205", message, argument.span, Label(before.span, "first default"), helpful)
        else:
            fresh[kind.keyword, key.text] = argument, removal
            self.defaults.setdefault(kind.keyword, {})[key.text] = argument

    def _report(self, code: str, headline: str, span: Span, other: Label | None = None, help: str = "") -> None:
        others = () if other is None else (other,)
        self._result.diagnostics.append(Diagnostic(code, headline, span, others=others, help=help))


class _Linker:
    """Gives every part its kind and its inputs.

    `broken` names the lines that could not be expanded: a layer that reads one of them is not reported again.
    """

    def __init__(
        self, result: NetworkBlock, defaults: dict[str, dict[str, Argument]], blocks: list[str], broken: set[str]
    ) -> None:
        self._result = result
        self._defaults = defaults
        self._blocks = blocks
        self._broken = broken
        self._current: str | None = None  # the layer that the next part reads; None is the network's input
        self._entered: dict[str, str | None] = {"": None}
        self._ends: dict[str, str] = {}
        self._reported: set[tuple[str, Span]] = set()

    def link(self, items: Sequence[Item]) -> None:
        """Read the parts in order."""
        for item in items:
            if len(self._result.diagnostics) >= MOST_ERRORS:
                return
            if isinstance(item, Enter):
                if item.start is not None:
                    self._current = self._source(item.start, item.scope)
                self._entered[item.prefix] = self._current
            else:
                self._link_part(item)
                self._current = item.name
                self._note_end(item.name)

    def _note_end(self, name: str) -> None:
        """Record the last part so far of a line and of a block instance: a reference to one means that part."""
        end = name
        while name:
            self._ends[name] = end
            name = name.rpartition(".")[0]

    def _link_part(self, part: Part) -> None:
        before = self._current if part.start is None else self._source(part.start, part.scope)
        kind = kinds().get(part.kind.text)
        if kind is None:
            known = {*kinds(), *self._blocks}
            if part.name == part.line:
                known |= {*SETTINGS, *self._ends}
            message = f"unknown layer kind `{part.kind.text}`"
            self._report(Diagnostic("E0201", message, part.kind.span, help=did_you_mean(part.kind.span, known)))
            return
        inputs: tuple[str | None, ...] = (before,)
        arguments = part.arguments
        if issubclass(kind, Join):
            arguments = tuple(each for each in arguments if each.key is not None)
            inputs = self._joined(part, before)
        defaults = self._defaults.get(kind.keyword, {})
        model, spans, problems = bind(kind, part.kind, arguments, defaults, part.changes)
        for problem in problems:
            self._report(problem)
        if model is not None:
            written = part.kind.span.to(part.arguments[-1].span if part.arguments else part.kind.span)
            inherited = frozenset(name for name, each in defaults.items() if spans.get(name) is each.span)
            self._result.layers.append(
                Layer(part.name, part.line, part.statement, model, inputs, part.kind.span, spans, written, inherited)
            )

    def _joined(self, part: Part, before: str | None) -> tuple[str | None, ...]:
        """The inputs of a join: the part before it, unless the join begins a line, then the layers that it names."""
        values = [value for argument in part.arguments if argument.key is None for value in argument.values]
        named: list[str | None] = []
        example = f"for example: `{part.kind.text} left right`"
        for value in values:
            if isinstance(value, Word):
                named.append(self._source(value, part.scope))
            else:
                named.append(None)
                self._report(
                    Diagnostic("E0211", f"`{value.span.text}` is not the name of a layer", value.span, help=example)
                )
        inputs = (before, *named) if part.flows else tuple(named)
        if len(inputs) < 2:
            message = f"`{part.kind.text}` needs at least two layers"
            self._report(Diagnostic("E0203", message, part.kind.span, help=example))
        return inputs

    def _source(self, word: Word, scope: Scope) -> str | None:
        if word.text == INPUT:
            return self._entered[scope.prefix]
        for candidate in scope.candidates(word.text):
            if candidate in self._ends:
                return self._ends[candidate]
            if candidate in self._broken:
                return None  # the error in that line is already reported
        inside = {name.removeprefix(scope.prefix) for name in self._ends if name.startswith(scope.prefix)}
        message = f"there is no layer `{word.text}` above this line"
        self._report(Diagnostic("E0211", message, word.span, help=did_you_mean(word.span, inside)))
        return None

    def _report(self, diagnostic: Diagnostic) -> None:
        """Report an error in a block or a default once, even if it is used many times."""
        if (diagnostic.code, diagnostic.span) not in self._reported:
            self._reported.add((diagnostic.code, diagnostic.span))
            self._result.diagnostics.append(diagnostic)
