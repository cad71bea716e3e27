"""A `network` block to its input, towers and layers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from alexc.compiler.arguments import LARGEST_SIZE
from alexc.compiler.binding import bind
from alexc.compiler.diagnostics import Diagnostic, Label, did_you_mean
from alexc.compiler.layers.kind import Kind, Shape
from alexc.compiler.layers.registry import kinds
from alexc.compiler.names import objection
from alexc.compiler.net import Layer
from alexc.compiler.source import Source, Span
from alexc.compiler.tree import Argument, Block, Dimensions, Number, Statement, Step, Word

SETTINGS = ("input", "towers", "default")


@dataclass
class NetworkBlock:
    """What a `network` block says; `input` is None where it does not say it soundly.

    `statements` names every statement with layers, also those with mistakes.
    """

    input_span: Span
    input: Shape | None = None
    towers: int = 1
    statements: list[str] = field(default_factory=list)
    layers: list[Layer] = field(default_factory=list)
    diagnostics: list[Diagnostic] = field(default_factory=list)


def read_network_block(block: Block, source: Source) -> NetworkBlock:
    """Read the settings first, then the layers, each with the defaults of its kind."""
    reader = _Reader(block.span, source)
    layers = [statement for statement in block.statements if not _is_setting(statement)]
    for statement in block.statements:
        if _is_setting(statement):
            reader.read_setting(statement)
    if "input" not in reader.settings:
        reader.diagnostics.append(
            Diagnostic(
                "E0210",
                "the network does not say its input",
                block.span,
                help="add a line such as `input 3x227x227`: channels x height x width",
            )
        )
    if not layers:
        reader.diagnostics.append(
            Diagnostic("E0210", "the network has no layers", block.span, help="add a line such as `conv 96 kernel=11`")
        )
    for statement in layers:
        reader.read_layers(statement)
    return reader.result


def _is_setting(statement: Statement) -> bool:
    return statement.name is None and statement.steps[0].kind.text in SETTINGS


class _Reader:
    def __init__(self, block_span: Span, source: Source) -> None:
        self._source = source
        self.result = NetworkBlock(block_span)
        self.diagnostics = self.result.diagnostics
        self.settings: dict[str, Statement] = {}
        self._defaults: dict[str, dict[str, Argument]] = {}
        self._names: dict[str, Span] = {}

    def read_setting(self, statement: Statement) -> None:
        name = statement.steps[0].kind
        if len(statement.steps) > 1:
            self._report("E0204", f"`{name.text}` is a setting; nothing can follow it", statement.steps[1].span)
        elif name.text == "default":
            self._read_default(statement.steps[0])
        elif name.text in self.settings:
            first = self.settings[name.text].span
            self._report("E0210", f"`{name.text}` stands there twice", statement.span, Label(first, "first here"))
        else:
            self.settings[name.text] = statement
            read = self._read_input if name.text == "input" else self._read_towers
            read(statement.steps[0])

    def _read_input(self, step: Step) -> None:
        value = _only_value(step)
        if (
            not isinstance(value, Dimensions)
            or len(value.sizes) != 3
            or not all(1 <= size <= LARGEST_SIZE for size in value.sizes)
        ):
            self._report("E0204", "`input` must be channels x height x width, as in `3x227x227`", step.span)
            return
        self.result.input, self.result.input_span = Shape(value.sizes), step.span

    def _read_towers(self, step: Step) -> None:
        value = _only_value(step)
        if not isinstance(value, Number) or not isinstance(value.value, int) or not 1 <= value.value <= 1024:
            self._report("E0204", "`towers` must be a whole number from 1 to 1024", step.span)
            return
        self.result.towers = value.value

    def _read_default(self, step: Step) -> None:
        named = [argument for argument in step.arguments if argument.key is None]
        given = [argument for argument in step.arguments if argument.key is not None]
        words = [value for argument in named for value in argument.values]
        if not words or not given:
            self._report(
                "E0203", "`default` names kinds and then what holds for them", step.span, help="default conv pad=1"
            )
            return
        for word in words:
            kind = self._kind(word) if isinstance(word, Word) else None
            if kind is None:
                if not isinstance(word, Word):
                    self._report("E0201", f"`{self._source[word.span]}` is no kind of layer", word.span)
                continue
            for argument in given:
                self._add_default(kind, argument)

    def _add_default(self, kind: type[Kind], argument: Argument) -> None:
        assert argument.key is not None
        key = argument.key
        if key.text not in kind.model_fields:
            message = f"`{kind.keyword}` has no argument `{key.text}`"
            self._report("E0202", message, key.span, help=did_you_mean(key.text, kind.model_fields))
            return
        defaults = self._defaults.setdefault(kind.keyword, {})
        if key.text in defaults:
            first = Label(defaults[key.text].span, "first here")
            self._report("E0205", f"`{key.text}` of `{kind.keyword}` has two defaults", argument.span, first)
            return
        defaults[key.text] = argument

    def read_layers(self, statement: Statement) -> None:
        names = self._part_names(statement)
        self.result.statements.append(names[0])
        for step, name in zip(statement.steps, names, strict=True):
            kind = self._kind(step.kind)
            if kind is None:
                continue
            defaults = self._defaults.get(kind.keyword, {})
            model, spans, problems = bind(kind, step.kind, step.arguments, defaults, self._source)
            self.diagnostics += [each for each in problems if each not in self.diagnostics]
            if model is not None:
                previous = self.result.layers[-1].name if self.result.layers else None
                self.result.layers.append(Layer(name, names[0], model, previous, step.kind.span, spans))

    def _part_names(self, statement: Statement) -> list[str]:
        """The statement's name, and one below it for each further part: `conv1`, `conv1.relu`."""
        first = statement.name or Word(self._free_name(statement.steps[0].kind.text), statement.steps[0].kind.span)
        complaint = objection(first.text)
        if complaint:
            self._report("E0206", f"`{first.text}` {complaint}", first.span, help="choose another name")
        names = [first.text]
        for part in statement.steps[1:]:
            names.append(next(name for name in _numbered(f"{first.text}.{part.kind.text}") if name not in names))
        for name in names:
            attribute = attribute_of(name)
            if attribute in self._names:
                label = Label(self._names[attribute], "taken here")
                self._report("E0207", f"`{name}` is the name of two layers", first.span, label, "choose another name")
                break
            self._names[attribute] = first.span
        return names

    def _free_name(self, kind: str) -> str:
        return next(name for name in _numbered(kind, 1) if name not in self._names)

    def _kind(self, word: Word) -> type[Kind] | None:
        known = kinds()
        if word.text in known:
            return known[word.text]
        help_ = did_you_mean(word.text, [*known, *SETTINGS])
        message = f"there is no kind of layer `{word.text}`"
        if not any(each.span == word.span for each in self.diagnostics):
            self._report("E0201", message, word.span, help=help_)
        return None

    def _report(self, code: str, headline: str, span: Span, other: Label | None = None, help: str = "") -> None:
        others = () if other is None else (other,)
        self.diagnostics.append(Diagnostic(code, headline, span, others=others, help=help))


def attribute_of(name: str) -> str:
    """The attribute of the generated class that holds the layer `name`: `conv1.lrn` is `conv1_lrn`."""
    return name.replace(".", "_")


def _numbered(name: str, first: int | None = None) -> Iterator[str]:
    """`name`, `name2`, `name3` …; with `first` the numbers begin at once."""
    if first is None:
        yield name
        first = 2
    while True:
        yield f"{name}{first}"
        first += 1


def _only_value(step: Step) -> object:
    if len(step.arguments) != 1 or step.arguments[0].key is not None or len(step.arguments[0].values) != 1:
        return None
    return step.arguments[0].values[0]
