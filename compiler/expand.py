"""The lines of a network written out: blocks put in place, repetitions repeated, every part named."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from alexc.compiler.diagnostics import Diagnostic, Label, did_you_mean, list_in_words
from alexc.compiler.layers.registry import kinds
from alexc.compiler.names import objection
from alexc.compiler.parts import Enter, Item, Part, Scope, attribute_of
from alexc.compiler.source import Span
from alexc.compiler.tree import Argument, Block, Call, Change, Nested, Number, Pipeline, Statement, Step, Value, Word

MOST_PARTS = 200_000
DEEPEST_BLOCKS = 16

_Bindings = Mapping[str, Value]


class Expander:
    """Writes lines out, one after the other; names stay unique over all of them.

    Attributes:
        diagnostics: what is wrong with the lines so far.
        lines: the network's own lines by name, as they were written.
    """

    def __init__(self, blocks: Mapping[str, Block], diagnostics: list[Diagnostic]) -> None:
        self.diagnostics = diagnostics
        self.lines: dict[str, Pipeline] = {}
        self._blocks = blocks
        self._names: dict[str, Span] = {}
        self._attributes: dict[str, Span] = {}
        self._unnamed: Counter[str] = Counter()
        self._budget = MOST_PARTS
        self._items: list[Item] = []

    def expand(self, statements: Iterable[Statement]) -> list[Item]:
        """The parts of a network's lines."""
        self._items = []
        self._read(statements, Scope(), {}, None, ())
        return self._items

    def expand_again(self, name: str, line: Pipeline) -> list[Item]:
        """The parts of a line that stands in place of the one of the same name."""
        for known in [each for each in self._names if each == name or each.startswith(f"{name}.")]:
            del self._names[known]
            self._attributes.pop(attribute_of(known), None)
        for counted in [each for each in self._unnamed if each.startswith(f"{name}.")]:
            del self._unnamed[counted]
        label = Step(Word(name, (line.label or line.steps[0]).kind.span), (), line.span)
        return self.expand([replace(line, label=label)])

    def _read(
        self,
        statements: Iterable[Statement],
        scope: Scope,
        bindings: _Bindings,
        statement: str | None,
        within: tuple[str, ...],
    ) -> None:
        for each in statements:
            if self._budget <= 0:
                return
            match each:
                case Pipeline():
                    self._read_pipeline(each, scope, bindings, statement, within)
                case Nested():
                    self._read_nested(each, scope, bindings, statement, within)
                case Change():
                    message = f"`{each.label.kind.text}` is changed, but nothing is extended here"
                    self._report(
                        "E0605", message, each.label.span, help="write a kind after the colon: `conv1: conv …`"
                    )

    def _read_nested(
        self, nested: Nested, scope: Scope, bindings: _Bindings, statement: str | None, within: tuple[str, ...]
    ) -> None:
        if nested.head.kind.text != "repeat" or nested.label is not None:
            word = nested.label.kind if nested.label else nested.head.kind
            self._report(
                "E0605", "only `repeat` has statements in braces here", word.span, help="as in `repeat 3 { … }`"
            )
            return
        count = _only_value(nested.head)
        if isinstance(count, Word):
            count = bindings.get(count.text, count)
        if not isinstance(count, Number) or not isinstance(count.value, int) or not 1 <= count.value <= MOST_PARTS:
            message = f"`repeat` takes a whole number from 1 to {MOST_PARTS}"
            self._report("E0204", message, nested.head.span, help="as in `repeat 3 { … }`")
            return
        outer = f"{scope.suffixes[-1]}_" if scope.suffixes else ""
        for number in range(1, count.value + 1):
            if not self._spend(nested.head.span):
                return
            inner = Scope(scope.prefix, (*scope.suffixes, f"{outer}{number}"))
            self._read(nested.statements, inner, bindings, statement, within)

    def _read_pipeline(
        self, line: Pipeline, scope: Scope, bindings: _Bindings, statement: str | None, within: tuple[str, ...]
    ) -> None:
        steps = list(line.steps)
        start = None
        if len(steps) > 1 and not steps[0].arguments and self._is_reference(steps[0].kind, scope):
            start = steps.pop(0).kind
        name = self._line_name(line, steps[0], scope)
        statement = statement or name
        if not scope.prefix and not scope.suffixes:
            self.lines[name] = line
        taken: set[str] = set()
        for position, step in enumerate(steps):
            part = name if position == 0 else _unused(f"{name}.{step.kind.text}", taken)
            taken.add(part)
            if position:
                self._claim(part, step.kind.span)
            arguments = tuple(_bound(argument, bindings) for argument in step.arguments)
            first_of_line = start if position == 0 else None
            if step.kind.text in self._blocks:
                instance = replace(step, arguments=arguments)
                self._put_block(instance, part, name, statement, first_of_line, scope, within)
            elif self._spend(step.kind.span):
                self._items.append(Part(part, name, statement, step.kind, arguments, (), first_of_line, scope))
        self._names[name] = steps[0].kind.span

    def _is_reference(self, word: Word, scope: Scope) -> bool:
        return word.text == "input" or any(each in self._names for each in scope.candidates(word.text))

    def _put_block(
        self,
        step: Step,
        name: str,
        line: str,
        statement: str,
        start: Word | None,
        scope: Scope,
        within: tuple[str, ...],
    ) -> None:
        block = self._blocks[step.kind.text]
        if step.kind.text in within or len(within) >= DEEPEST_BLOCKS:
            message = f"the block `{step.kind.text}` contains itself"
            if step.kind.text not in within:
                message = f"blocks are nested more than {DEEPEST_BLOCKS} deep"
            self._report("E0604", message, step.kind.span, Label(block.span, "it is defined here"))
            return
        bindings = self._bind_parameters(block, step)
        if bindings is None:
            return
        prefix = f"{name}."
        self._items.append(Enter(prefix, line, statement, start, scope))
        self._read(block.statements, Scope(prefix), bindings, statement, (*within, step.kind.text))

    def _bind_parameters(self, block: Block, step: Step) -> dict[str, Value] | None:
        names = [parameter.name.text for parameter in block.parameters]
        given: dict[str, Value] = {}
        places = iter(names)
        before = len(self.diagnostics)
        for argument in step.arguments:
            name = next(places, None) if argument.key is None else argument.key.text
            word = argument.key.span if argument.key else argument.span
            if name not in names or len(argument.values) > 1:
                takes = f"takes {list_in_words([f'`{each}`' for each in names])}" if names else "takes no arguments"
                helpful = did_you_mean(argument.key.text, names) if argument.key else ""
                self._report("E0202", f"the block `{step.kind.text}` {takes}", word, Label(block.span, "here"), helpful)
            elif name in given:
                self._report("E0205", f"`{name}` of the block `{step.kind.text}` is given twice", argument.span)
            else:
                given[name] = argument.values[0]
        for parameter in block.parameters:
            if parameter.default is not None:
                given.setdefault(parameter.name.text, parameter.default)
        missing = [f"`{name}`" for name in names if name not in given]
        if missing and len(self.diagnostics) == before:
            message = f"the block `{step.kind.text}` needs {list_in_words(missing)}"
            self._report("E0203", message, step.kind.span, Label(block.span, "it is defined here"))
        return given if len(self.diagnostics) == before else None

    def _line_name(self, line: Pipeline, first: Step, scope: Scope) -> str:
        if line.label is None:
            return self._free_name(first.kind, scope)
        word = line.label.kind
        if line.label.arguments:
            message = f"`{line.label.span.text}` is no name for a line"
            self._report("E0605", message, line.label.span, help="a line begins `name: kind …`")
            return self._free_name(first.kind, scope)
        complaint = objection(word.text)
        if not complaint and (word.text in kinds() or word.text in self._blocks):
            complaint = "is the name of a kind"
        if not complaint and word.text in ("input", "repeat"):
            complaint = "is a word of the language"
        if complaint:
            self._report("E0206", f"`{word.text}` {complaint}", word.span, help="choose another name")
        name = f"{scope.prefix}{word.text}{scope.suffixes[-1] if scope.suffixes else ''}"
        self._claim(name, word.span)
        return name

    def _free_name(self, kind: Word, scope: Scope) -> str:
        base = f"{scope.prefix}{kind.text}"
        while True:
            self._unnamed[base] += 1
            name = f"{base}{self._unnamed[base]}"
            if attribute_of(name) not in self._attributes:
                self._claim(name, kind.span)
                return name

    def _claim(self, name: str, span: Span) -> None:
        attribute = attribute_of(name)
        if attribute in self._attributes:
            taken = Label(self._attributes[attribute], "taken here")
            self._report("E0207", f"`{name}` is the name of two layers", span, taken, "choose another name")
        self._attributes.setdefault(attribute, span)
        self._names.setdefault(name, span)

    def _spend(self, span: Span) -> bool:
        self._budget -= 1
        if self._budget == 0:
            self._report("E0604", f"the network has more than {MOST_PARTS:,} layers when it is written out", span)
        return self._budget > 0

    def _report(self, code: str, headline: str, span: Span, other: Label | None = None, help: str = "") -> None:
        self.diagnostics.append(Diagnostic(code, headline, span, others=(other,) if other else (), help=help))


def _bound(argument: Argument, bindings: _Bindings) -> Argument:
    """The argument with a block's parameters replaced by their values."""
    if not bindings:
        return argument
    return replace(argument, values=tuple(_bound_value(value, bindings) for value in argument.values))


def _bound_value(value: Value, bindings: _Bindings) -> Value:
    match value:
        case Word(text):
            return bindings.get(text, value)
        case Call():
            return replace(value, values=tuple(_bound_value(each, bindings) for each in value.values))
        case _:
            return value


def _unused(name: str, taken: set[str]) -> str:
    number = 1
    unused = name
    while unused in taken:
        number += 1
        unused = f"{name}{number}"
    return unused


def _only_value(step: Step) -> Value | None:
    if len(step.arguments) != 1 or step.arguments[0].key is not None or len(step.arguments[0].values) != 1:
        return None
    return step.arguments[0].values[0]


def read_blocks(blocks: Sequence[Block], diagnostics: list[Diagnostic]) -> dict[str, Block]:
    """The `block` definitions by name, each checked by itself."""
    found: dict[str, Block] = {}
    for block in blocks:
        if block.name is None:
            diagnostics.append(Diagnostic("E0206", "a block needs a name", block.span, help="block inception(n) { … }"))
            continue
        complaint = objection(block.name.text)
        if not complaint and block.name.text in kinds():
            complaint = "is the name of a kind"
        if complaint:
            message = f"`{block.name.text}` {complaint}"
            diagnostics.append(Diagnostic("E0206", message, block.name.span, help="choose another name"))
        elif block.name.text in found:
            first = Label(found[block.name.text].span, "the first one")
            message = f"there are two blocks `{block.name.text}`"
            diagnostics.append(Diagnostic("E0207", message, block.name.span, others=(first,), help="rename one"))
        elif not block.statements:
            diagnostics.append(Diagnostic("E0210", f"the block `{block.name.text}` has no lines", block.span))
        else:
            found[block.name.text] = block
            _check_parameters(block, diagnostics)
    return found


def _check_parameters(block: Block, diagnostics: list[Diagnostic]) -> None:
    seen: dict[str, Span] = {}
    for parameter in block.parameters:
        name = parameter.name
        if name.text in seen:
            first = Label(seen[name.text], "first here")
            message = f"the block has the parameter `{name.text}` twice"
            diagnostics.append(Diagnostic("E0207", message, name.span, others=(first,)))
        elif "." in name.text or name.text == "input":
            message = f"`{name.text}` cannot be the name of a parameter"
            diagnostics.append(Diagnostic("E0206", message, name.span, help="choose another name"))
        seen[name.text] = name.span
