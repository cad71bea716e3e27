"""Expands the lines of a network: puts blocks in place, repeats repetitions, and names every layer."""

from __future__ import annotations

import builtins
import keyword
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ..layers.registry import kinds
from ..text.diagnostics import MOST_ERRORS, Diagnostic, Label
from ..text.source import Span
from ..tree.tree import (
    Argument,
    Block,
    Call,
    Change,
    Nested,
    Number,
    Pipeline,
    Statement,
    Step,
    Value,
    Word,
    only_value,
)
from ..vocabulary import INPUT, NO_LINE_NAMES, REPEAT
from .block_definitions import bind_parameters
from .expanded_parts import Enter, Item, Part, Scope, attribute_of
from .name_check import FILE_NAMES, MODULE_ATTRIBUTES, objection

MOST_PARTS = 200_000
_DEEPEST_NESTING = 32
_LONGEST_ATTRIBUTE = 128

_COUNT_FORM = "for example: `repeat 3 { … }`"
_Bindings = Mapping[str, Value]


@dataclass(frozen=True)
class _Place:
    """The surroundings of statements: the scope of their names, the values of parameters, the blocks around."""

    scope: Scope = field(default_factory=Scope)
    bindings: _Bindings = field(default_factory=dict)
    statement: str | None = None
    within: tuple[str, ...] = ()


class Expander:
    """Expands lines one after the other. Names are unique over all of them.

    Attributes:
        diagnostics: the errors so far.
        lines: the names of the network's lines outside all blocks.
        broken: the lines and block instances that could not be expanded.
    """

    def __init__(self, blocks: Mapping[str, Block], diagnostics: list[Diagnostic]) -> None:
        self.diagnostics = diagnostics
        self.lines: set[str] = set()
        self.broken: set[str] = set()
        self._blocks = blocks
        self._names: dict[str, Span] = {}
        self._attributes: dict[str, tuple[str, Span]] = {}  # by the name in lower case
        self._unnamed: Counter[str] = Counter()
        self._budget = MOST_PARTS
        self._reported: set[tuple[str, Span]] = set()
        self._items: list[Item] = []

    def expand(
        self, statements: Iterable[Statement], scope: Scope | None = None, statement: str | None = None
    ) -> list[Item]:
        """The parts of the lines of a network, or of lines inside the block of one of its lines, `statement`."""
        self._items = []
        self._read(statements, _Place(scope or Scope(), {}, statement))
        return self._items

    def expand_instance(self, instance: Enter, changes: Sequence[Argument]) -> list[Item]:
        """The parts of a block instance after its arguments are changed."""
        block = self._blocks[instance.step.kind.text]
        keyed = _keyed(instance.step.arguments, block)
        changed = _keyed(changes, block)
        given = {argument.key.text: argument for argument in keyed if argument.key}
        for argument in changed:
            if argument.key:
                given.pop(argument.key.text, None)
        step = replace(instance.step, arguments=(*given.values(), *changed))
        place = _Place(instance.scope, {}, instance.statement, instance.within)
        self._items = []
        self._put_block(step, instance.prefix.removesuffix("."), instance.line, instance.start, place)
        return self._items

    def keep(self, items: Sequence[Item]) -> None:
        """Free all names but those of these parts."""
        kept: dict[str, Span] = {}
        for item in items:
            own, span = (item.name, item.kind.span) if isinstance(item, Part) else (item.prefix[:-1], item.step.span)
            for name in (own, item.line):
                kept[name] = self._names.get(name, span)
        self._names = kept
        attributes = ((attribute_of(name), span) for name, span in kept.items())
        self._attributes = {attribute.lower(): (attribute, span) for attribute, span in attributes}
        self._unnamed.clear()

    def _read(self, statements: Iterable[Statement], place: _Place) -> None:
        for each in statements:
            if self._budget <= 0 or len(self.diagnostics) >= MOST_ERRORS:
                return
            match each:
                case Pipeline():
                    self._read_pipeline(each, place)
                case Nested():
                    self._read_nested(each, place)
                case Change(label):
                    message = f"`{label.kind.text}` cannot be changed here, because this block extends no other"
                    helpful = "write a layer kind after the colon: `conv1: conv …`"
                    self._report("E0605", message, label.span, help=helpful)

    def _read_nested(self, nested: Nested, place: _Place) -> None:
        if nested.head.kind.text != REPEAT or nested.label is not None:
            word = nested.label.kind if nested.label else nested.head.kind
            self._report("E0605", "only `repeat` takes lines in braces", word.span, help=_COUNT_FORM)
            return
        count = self._count(nested.head, place.bindings)
        if count is None or not self._may_nest(nested.head.kind, place):
            return
        outer = f"{place.scope.suffixes[-1]}_" if place.scope.suffixes else ""
        for number in range(1, count + 1):
            if not self._spend(nested.head):
                return
            scope = Scope(place.scope.prefix, (*place.scope.suffixes, f"{outer}{number}"))
            self._read(nested.statements, replace(place, scope=scope, within=(*place.within, REPEAT)))

    def _count(self, head: Step, bindings: _Bindings) -> int | None:
        match only_value(head):
            case Word(text) if text in bindings:
                value: object = bindings[text]
            case other:
                value = other
        match value:
            case Number(int(count)) if 1 <= count <= MOST_PARTS:
                return count
        self._report("E0204", f"`repeat` takes a whole number from 1 to {MOST_PARTS}", head.span, help=_COUNT_FORM)
        return None

    def _read_pipeline(self, line: Pipeline, place: _Place) -> None:
        steps, start = list(line.steps), None
        if len(steps) > 1 and not steps[0].arguments and self._is_reference(steps[0].kind, place.scope):
            start = steps.pop(0).kind
        name = self._line_name(line, steps[0], place.scope)
        if not place.scope.prefix and not place.scope.suffixes:
            self.lines.add(name)
        if place.statement is None:
            place = replace(place, statement=name)
        counts: Counter[str] = Counter()
        for position, step in enumerate(steps):
            part = name
            if position:
                counts[step.kind.text] += 1
                number = counts[step.kind.text]
                part = f"{name}.{step.kind.text}{number if number > 1 else ''}"
                self._claim(part, step.kind.span)
            if step.arguments and place.bindings:
                step = replace(step, arguments=_bound(step.arguments, place.bindings))
            self._put_step(step, part, name, start if position == 0 else None, place)
        self._names[name] = steps[0].kind.span

    def _is_reference(self, word: Word, scope: Scope) -> bool:
        return word.text == INPUT or any(each in self._names for each in scope.candidates(word.text))

    def _put_step(self, step: Step, name: str, line: str, start: Word | None, place: _Place) -> None:
        assert place.statement is not None
        if step.kind.text in self._blocks:
            self._put_block(step, name, line, start, place)
        elif self._spend(step):
            flows = name != line or start is not None
            part = Part(name, line, place.statement, step.kind, step.arguments, (), start, flows, place.scope)
            self._items.append(part)

    def _put_block(self, step: Step, name: str, line: str, start: Word | None, place: _Place) -> None:
        assert place.statement is not None
        block, before = self._blocks[step.kind.text], len(self.diagnostics)
        if not self._may_nest(step.kind, place) or not self._spend(step):
            self.broken.add(name)
            return
        bindings = bind_parameters(block, step, self.diagnostics)
        if bindings is None or len(self.diagnostics) > before:
            self.broken.add(name)
            return
        self._items.append(Enter(f"{name}.", line, place.statement, step, start, place.scope, place.within))
        inside = _Place(Scope(f"{name}."), bindings, place.statement, (*place.within, step.kind.text))
        self._read(block.statements, inside)

    def _may_nest(self, word: Word, place: _Place) -> bool:
        if word.text in place.within and word.text != REPEAT:
            defined = Label(self._blocks[word.text].span, "defined here")
            message = f"the block `{word.text}` contains itself"
            self._report("E0604", message, word.span, defined, "replace it by the layers that it stands for")
            return False
        if len(place.within) >= _DEEPEST_NESTING:
            message = f"blocks and repetitions are nested more than {_DEEPEST_NESTING} deep"
            self._report("E0604", message, word.span)
            return False
        return True

    def _line_name(self, line: Pipeline, first: Step, scope: Scope) -> str:
        if line.label is None:
            return self._free_name(first.kind, scope)
        word = line.label.kind
        if line.label.arguments:
            edit = word.text in NO_LINE_NAMES
            message = f"`{line.label.span.text}` is not a valid name for a line"
            edits_work_in = "only in a network that extends another: `network B extends A { … }`"
            helpful = f"`{word.text}` works {edits_work_in}" if edit else "begin the line with `name: kind …`"
            self._report("E0605", message, line.label.span, help=helpful)
            return self._free_name(first.kind, scope)
        complaint = objection(word.text)
        if not complaint and (word.text in kinds() or word.text in self._blocks):
            complaint = "is the name of a layer kind"
        if not complaint and word.text in NO_LINE_NAMES:
            complaint = "is a keyword of the language"
        if complaint:
            self._report("E0206", f"`{word.text}` {complaint}", word.span, help="choose another name")
        name = f"{scope.prefix}{word.text}{scope.suffixes[-1] if scope.suffixes else ''}"
        if not self._claim(name, word.span):
            return self._free_name(first.kind, scope)  # so that the names of its parts are not reported as well
        return name

    def _free_name(self, kind: Word, scope: Scope) -> str:
        base = f"{scope.prefix}{kind.text}"
        while True:
            self._unnamed[base] += 1
            name = f"{base}{self._unnamed[base]}"
            if attribute_of(name).lower() not in self._attributes:
                self._claim(name, kind.span)
                return name

    def _claim(self, name: str, span: Span) -> bool:
        """Give a name to a part. If another part has it, report that and return False."""
        attribute = attribute_of(name)
        if attribute.lower() in self._attributes:
            other, there = self._attributes[attribute.lower()]
            message = (
                "is the name of two layers"
                if other == attribute
                else f"differs from `{other}` only in upper and lower case"
            )
            self._report("E0207", f"`{name}` {message}", span, Label(there, "first used here"), "choose another name")
            return False
        if complaint := _objection_to_attribute(name, attribute):
            self._report("E0206", f"`{name}` {complaint}", span, help="choose another name")
        self._attributes[attribute.lower()] = attribute, span
        self._names.setdefault(name, span)
        return True

    def _spend(self, step: Step) -> bool:
        """Count a step against the budget. A long step counts more, because each copy of it takes time to read."""
        if self._budget <= 0 or len(self.diagnostics) >= MOST_ERRORS:
            return False
        self._budget -= 1 + (step.span.end - step.span.start) // 256
        if self._budget <= 0:
            message = f"the network has more than {MOST_PARTS:,} layers after blocks and repetitions are expanded"
            helpful = "repeat fewer times: nested repetitions multiply"
            self._report("E0604", message, step.kind.span, help=helpful)
        return self._budget > 0

    def _report(self, code: str, headline: str, span: Span, other: Label | None = None, help: str = "") -> None:
        """Report an error in a block or a repetition once, even if it is expanded many times."""
        if (code, span) not in self._reported:
            self._reported.add((code, span))
            self.diagnostics.append(Diagnostic(code, headline, span, others=(other,) if other else (), help=help))


def _objection_to_attribute(name: str, attribute: str) -> str:
    """The reason why a joined name such as `conv1_relu` cannot be an attribute of the generated class; "" if it can."""
    if len(attribute) > _LONGEST_ATTRIBUTE:
        return f"is longer than {_LONGEST_ATTRIBUTE} characters after blocks and repetitions are expanded"
    if name == attribute:
        return ""
    if attribute in MODULE_ATTRIBUTES | FILE_NAMES or keyword.iskeyword(attribute) or hasattr(builtins, attribute):
        return f"becomes `{attribute}` in Python, which the generated file uses for something else"
    return ""


def _keyed(arguments: Sequence[Argument], block: Block) -> list[Argument]:
    """The arguments of a block instance, each with its key, even if it is written without one."""
    names = iter(block.parameters)
    keyed: list[Argument] = []
    for argument in arguments:
        parameter = next(names, None) if argument.key is None else None
        key = Word(parameter.name.text, argument.span) if parameter else argument.key
        keyed.append(replace(argument, key=key))
    return keyed


def _bound(arguments: tuple[Argument, ...], bindings: _Bindings) -> tuple[Argument, ...]:
    """The arguments with the values of a block's parameters in place of their names."""
    return tuple(
        replace(argument, values=tuple(_bound_value(value, bindings) for value in argument.values))
        for argument in arguments
    )


def _bound_value(value: Value, bindings: _Bindings) -> Value:
    match value:
        case Word(text):
            return bindings.get(text, value)
        case Call():
            return replace(value, values=tuple(_bound_value(each, bindings) for each in value.values))
        case _:
            return value
