"""Variants: applies the edits of a network to the network that it extends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from .. import vocabulary as words
from ..layers.registry import kinds
from ..text.diagnostics import Diagnostic
from ..text.fixes import Fix, Help, did_you_mean, remove_words
from ..text.source import Span
from ..tree.tree import Argument, Change, Nested, Pipeline, Statement, Step, Word
from .expanded_parts import Enter, Item, Part, Scope
from .expander import Expander

_MOST_EDITS = 1000
_MOST_WORK = 20_000_000  # edits x layers, because each edit visits every layer

_FORMS = "for example: `conv1: kernel=7`, `every relu: tanh`, `without lrn` or `after conv5: conv …`"


class Editor:
    """Applies the statements of a variant, in their order, to the parts of the network that it extends."""

    def __init__(self, items: list[Item], expander: Expander) -> None:
        self.items = items
        self._expander = expander
        self._everywhere: list[tuple[Word, Pipeline | Change]] = []

    def apply(self, statements: Sequence[Statement]) -> None:
        """Apply every edit. An edit that matches nothing is reported."""
        if len(statements) > _MOST_EDITS or len(statements) * len(self.items) > _MOST_WORK:
            message = f"too many edits: the limit is {_MOST_EDITS:,}, and less in a very large network"
            self._report("E0604", message, statements[-1].span)
            return
        for statement in statements:
            self._apply(statement)
            self.items = _renamed(self.items)

    def _apply(self, statement: Statement) -> None:
        match statement:
            case Pipeline(None, (Step(Word(words.WITHOUT), arguments),)):
                self._without(statement, arguments)
            case Pipeline(Step(Word(words.EVERY), (argument,))) | Change(Step(Word(words.EVERY), (argument,))):
                self._every(argument, statement)
            case Pipeline(Step(Word(words.AFTER | words.BEFORE), arguments)):
                self._insert(statement, arguments)
            case Pipeline(Step(name, ())):
                self._replace_line(name, statement)
            case Change(Step(name, ())):
                self._change(name, statement)
            case Pipeline() | Nested() | Change():
                message = "this is not a valid edit"
                self._report("E0605", message, statement.span, help=_FORMS)

    def _without(self, statement: Pipeline, arguments: tuple[Argument, ...]) -> None:
        named = [value for argument in arguments if argument.key is None for value in argument.values]
        if not named or any(argument.key for argument in arguments):
            self._report(
                "E0605",
                "`without` takes layer kinds and layer names",
                statement.span,
                help="for example: `without lrn`",
            )
            return
        for word in named:
            if not isinstance(word, Word):
                self._report("E0605", f"`{word.span.text}` is neither a layer kind nor a layer", word.span)
                continue
            dropped = [_is_kind(item, word.text) or _is_in(item, word.text) for item in self.items]
            if not any(dropped):
                self._nothing(word, self._kinds() | self._layers())
            self._drop(dropped)

    def _drop(self, dropped: Sequence[bool]) -> None:
        """Remove parts. The start of a removed part becomes the start of the next part of the line."""
        kept: list[Item] = []
        start: Word | None = None
        line = ""
        for item, drop in zip(self.items, dropped, strict=True):
            if item.line != line:
                start, line = None, item.line
            if drop:
                start = item.start or start
            else:
                kept.append(replace(item, start=item.start or start))
                start = None
        self.items = kept

    def _every(self, argument: Argument, statement: Pipeline | Change) -> None:
        word = argument.values[0]
        if argument.key is not None or len(argument.values) > 1 or not isinstance(word, Word):
            self._report("E0605", "`every` takes one layer kind", argument.span, help="for example: `every relu: tanh`")
        elif not any(_is_kind(item, word.text) for item in self.items):
            self._nothing(word, self._kinds(), what="")
        elif isinstance(statement, Pipeline) and len(statement.steps) > 1:
            message = "`every` replaces a layer kind by one other kind, not by a pipeline"
            surplus = Span(statement.span.source, statement.steps[0].span.end, statement.span.end)
            helpful = Help("remove the steps after the first", Fix(surplus, ""))
            self._report("E0605", message, statement.steps[1].span, help=helpful)
        else:
            self._everywhere.append((word, statement))
            self.items = _changed_everywhere(self.items, word, statement)

    def _insert(self, statement: Pipeline, arguments: tuple[Argument, ...]) -> None:
        assert statement.label is not None
        where = statement.label.kind.text
        values = [value for argument in arguments if argument.key is None for value in argument.values]
        named = [value for value in values if isinstance(value, Word)]
        if not 1 <= len(named) <= 2 or len(named) < len(values) or any(argument.key for argument in arguments):
            form = f"for example: `{where} conv5: conv 256 kernel=3`"
            message = f"`{where}` takes one layer, and optionally a name for the new line"
            self._report("E0605", message, statement.label.span, help=form)
            return
        anchor, *names = named
        places = [index for index, item in enumerate(self.items) if _is_in(item, anchor.text)]
        if not places:
            self._nothing(anchor, self._layers())
            return
        place = places[-1] + 1 if where == words.AFTER else places[0]
        beside = self.items[places[0]]
        self._expander.keep(self.items)
        if isinstance(beside, Part) and beside.name == anchor.text != beside.line:
            self.items[place:place] = self._in_line(beside, statement, names)
            return
        label = Step(names[0], (), names[0].span) if names else None
        own_line = beside.statement == beside.line
        scope, within = (Scope(), None) if own_line else (beside.scope, beside.statement)
        self.items[place:place] = self._expander.expand([replace(statement, label=label)], scope, within)

    def _in_line(self, beside: Part, statement: Pipeline, names: Sequence[Word]) -> list[Part]:
        """The parts that join the line of another part. They get names as if they were written in that line."""
        for name in names:
            message = f"`{beside.name}` is part of a line, so a step inserted beside it cannot have its own name"
            self._report("E0605", message, name.span, help=Help(f"remove `{name.text}`", remove_words(name.span)))
        return [
            Part(
                f"{beside.name}.",
                beside.line,
                beside.statement,
                step.kind,
                step.arguments,
                (),
                None,
                True,
                beside.scope,
            )
            for step in statement.steps
        ]

    def _replace_line(self, name: Word, line: Pipeline) -> None:
        inside = [_is_in(item, name.text) or item.statement == name.text == item.line for item in self.items]
        if not any(inside):
            helpful = f"to insert a new line, write `after …: {line.steps[0].kind.text} …`"
            self._nothing(name, self._layers(), helpful)
        elif name.text not in self._expander.lines:
            message = f"`{name.text}` is part of a line and cannot be replaced alone"
            helpful = "replace the whole line, or replace the kind everywhere: `every relu: tanh`"
            self._report("E0603", message, name.span, help=helpful)
        else:
            place = inside.index(True)
            self.items = [item for item, drop in zip(self.items, inside, strict=True) if not drop]
            self._expander.keep(self.items)
            self.items[place:place] = self._expander.expand([line])

    def _change(self, name: Word, change: Change) -> None:
        for index, item in enumerate(self.items):
            if isinstance(item, Part) and item.name == name.text:
                self.items[index] = replace(item, changes=(*item.changes, *change.arguments))
                return
            if isinstance(item, Enter) and item.prefix == f"{name.text}.":
                self._change_instance(index, item, change)
                return
        self._nothing(name, self._layers())

    def _change_instance(self, index: int, instance: Enter, change: Change) -> None:
        """Expand a block instance again, and apply the `every` edits so far to it again."""
        inside = [item is instance or item.scope.prefix.startswith(instance.prefix) for item in self.items]
        self.items = [item for item, drop in zip(self.items, inside, strict=True) if not drop]
        self._expander.keep(self.items)
        again = self._expander.expand_instance(instance, change.arguments)
        for word, statement in self._everywhere:
            again = _changed_everywhere(again, word, statement)
        self.items[index:index] = again

    def _kinds(self) -> set[str]:
        return {item.kind.text for item in self.items if isinstance(item, Part)}

    def _layers(self) -> set[str]:
        return {item.name for item in self.items if isinstance(item, Part)} | {item.line for item in self.items}

    def _nothing(self, word: Word, known: set[str], help: str = "", what: str = "layer ") -> None:
        what = "" if word.text in kinds() else what
        near = did_you_mean(word.span, known)
        message = f"the extended network has no {what}`{word.text}`"
        self._report("E0603", message, word.span, help=help if help and not near.startswith("did you mean") else near)

    def _report(self, code: str, headline: str, span: Span, help: str = "") -> None:
        self._expander.diagnostics.append(Diagnostic(code, headline, span, help=help))


def _is_kind(item: Item, kind: str) -> bool:
    return isinstance(item, Part) and item.kind.text == kind


def _name_of(item: Item) -> str:
    """The name of a part, or the prefix of a block instance, which ends in a dot."""
    return item.prefix if isinstance(item, Enter) else item.name


def _is_in(item: Item, name: str) -> bool:
    """Whether an item is the layer `name` or belongs to the line or the block instance `name`."""
    return name in (_name_of(item), item.line) or _name_of(item).startswith(f"{name}.")


def _changed_everywhere(items: Sequence[Item], kind: Word, statement: Pipeline | Change) -> list[Item]:
    """The items after all parts of one kind are changed, or replaced by another kind."""
    changed: list[Item] = []
    for item in items:
        if not isinstance(item, Part) or item.kind.text != kind.text:
            changed.append(item)
        elif isinstance(statement, Change):
            changed.append(replace(item, changes=(*item.changes, *statement.arguments)))
        else:
            step = statement.steps[0]
            changed.append(replace(item, kind=step.kind, arguments=step.arguments, changes=()))
    return changed


def _renamed(items: Sequence[Item]) -> list[Item]:
    """The items with the names that they would have if their edited lines were written like this.

    Block instances keep their names, because the names of all their layers depend on them.
    """
    renamed: list[Item] = []
    counts: dict[str, Counter[str]] = {}
    for item in items:
        first = item.line not in counts
        count = counts.setdefault(item.line, Counter())
        kind = item.kind.text if isinstance(item, Part) else item.step.kind.text
        if not first:
            count[kind] += 1
        if isinstance(item, Part):
            number = count[kind] if count[kind] > 1 else ""
            name = item.line if first else f"{item.line}.{kind}{number}"
            item = item if item.name == name else replace(item, name=name)
        renamed.append(item)
    return renamed
