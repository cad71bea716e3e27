"""Variants: a block that extends another, and the edits that it makes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from alexc.compiler.diagnostics import Diagnostic, Label, did_you_mean
from alexc.compiler.expand import Expander
from alexc.compiler.layers.registry import kinds
from alexc.compiler.parts import Enter, Item, Part
from alexc.compiler.source import Source, Span
from alexc.compiler.tree import Argument, Base, Block, Change, Nested, Pipeline, Statement, Step, Tree, Word

MOST_EDITS = 1000
LONGEST_CHAIN = 32

Load = Callable[[Base, Source], tuple[Tree | None, list[Diagnostic]]]


def chain_of(block: Block, tree: Tree, load: Load, diagnostics: list[Diagnostic]) -> list[tuple[Block, Tree]]:
    """A block and what it extends, the root first; empty where the chain is broken, which is then reported."""
    chain = [(block, tree)]
    while (base := chain[-1][0].base) is not None:
        extended, home = chain[-1]
        if len(chain) > LONGEST_CHAIN:
            diagnostics.append(Diagnostic("E0601", f"more than {LONGEST_CHAIN} blocks extend each other", base.span))
            return []
        found_tree: Tree | None = home
        if base.path is not None:
            found_tree, problems = load(base, home.source)
            diagnostics += problems
        if found_tree is None:
            return []
        found = _base_block(extended, base, found_tree, diagnostics)
        if found is None:
            return []
        if any(found is each for each, _ in chain):
            others = tuple(Label(each.span, "extends in turn") for each, _ in chain[1:])
            message = f"`{base.span.text}` extends itself in the end"
            diagnostics.append(
                Diagnostic("E0601", message, base.span, others=others, help="let one of them stand alone")
            )
            return []
        chain.append((found, found_tree))
    return chain[::-1]


def _base_block(block: Block, base: Base, tree: Tree, diagnostics: list[Diagnostic]) -> Block | None:
    found = [each for each in tree.blocks if each.keyword.text == block.keyword.text]
    if base.name is not None:
        found = [each for each in found if each.name is not None and each.name.text == base.name.text]
    if len(found) == 1:
        return found[0]
    kind = block.keyword.text
    names = [each.name.text for each in tree.blocks if each.keyword.text == kind and each.name]
    if not found:
        what = f" `{base.name.text}`" if base.name else ""
        message = f"there is no {kind}{what} to extend in {tree.source.name}"
        helpful = did_you_mean(base.name.text, names) if base.name else ""
        diagnostics.append(Diagnostic("E0602", message, base.span, help=helpful))
    else:
        message = f"{tree.source.name} has {len(found)} blocks `{kind}`; say which one to extend"
        diagnostics.append(Diagnostic("E0602", message, base.span, help=f'extends "{base.path}" {names[0]}'))
    return None


class Editor:
    """Applies a variant's statements to the parts of the network that it extends, in their order."""

    def __init__(self, items: list[Item], expander: Expander) -> None:
        self.items = items
        self._expander = expander
        self._everywhere: list[tuple[Word, Statement]] = []

    def apply(self, statements: Sequence[Statement]) -> None:
        """Make every edit. What matches nothing is reported."""
        if len(statements) > MOST_EDITS:
            message = f"a variant makes at most {MOST_EDITS} edits"
            self._report("E0604", message, statements[MOST_EDITS].span)
            return
        for statement in statements:
            match statement:
                case Pipeline(None, (Step(Word("without"), arguments), *rest)) if not rest:
                    self._without(statement, arguments)
                case Pipeline(Step(Word("every"), (argument,))) | Change(Step(Word("every"), (argument,))):
                    self._every(argument, statement)
                case Pipeline(Step(Word("after" | "before"), arguments)):
                    self._insert(statement, arguments)
                case Pipeline(Step(name, ())):
                    self._replace_line(name, statement)
                case Change(Step(name, ())):
                    self._change(name, statement)
                case Pipeline() | Nested() | Change():
                    self._report(
                        "E0605",
                        "this is no edit of the network that is extended",
                        statement.span,
                        help="`conv1: kernel=7`, `every relu: tanh`, `without lrn`, or `after conv5: conv …`",
                    )

    def _without(self, statement: Pipeline, arguments: tuple[Argument, ...]) -> None:
        words = [value for argument in arguments if argument.key is None for value in argument.values]
        if not words or len(words) < len(arguments):
            self._report("E0605", "`without` names kinds and layers", statement.span, help="without lrn")
        for word in words:
            if not isinstance(word, Word):
                self._report("E0605", f"`{word.span.text}` is neither a kind nor a layer", word.span)
                continue
            kept = [item for item in self.items if not (_is_kind(item, word.text) or _is_in(item, word.text))]
            if len(kept) == len(self.items):
                self._nothing(word)
            self.items = kept

    def _every(self, argument: Argument, statement: Statement) -> None:
        word = argument.values[0]
        if argument.key is not None or len(argument.values) > 1 or not isinstance(word, Word):
            self._report("E0605", "`every` names one kind", argument.span, help="every relu: tanh")
            return
        if not any(_is_kind(item, word.text) for item in self.items):
            self._nothing(word)
            return
        if isinstance(statement, Pipeline) and len(statement.steps) > 1:
            self._report("E0605", "`every` puts one kind in the place of another", statement.steps[1].span)
            return
        self._everywhere.append((word, statement))
        self.items = [_changed_everywhere(item, word, statement) for item in self.items]

    def _insert(self, statement: Pipeline, arguments: tuple[Argument, ...]) -> None:
        assert statement.label is not None
        words = [value for argument in arguments if argument.key is None for value in argument.values]
        where = statement.label.kind.text
        if not 1 <= len(words) <= 2 or not all(isinstance(word, Word) for word in words) or len(words) < len(arguments):
            form = f"{where} conv5: conv 256 kernel=3"
            self._report("E0605", f"`{where}` names one layer, then a name for the new line", statement.span, help=form)
            return
        anchor = words[0]
        assert isinstance(anchor, Word)
        places = [index for index, item in enumerate(self.items) if _is_in(item, anchor.text)]
        if not places:
            self._nothing(anchor)
            return
        name = words[1] if len(words) > 1 else None
        label = Step(name, (), name.span) if isinstance(name, Word) else None
        new = self._expander.expand([replace(statement, label=label)])
        place = places[-1] + 1 if where == "after" else places[0]
        self.items[place:place] = new

    def _replace_line(self, name: Word, line: Pipeline) -> None:
        places = [
            index
            for index, item in enumerate(self.items)
            if (item.statement == name.text and item.line == name.text) or _is_in(item, name.text)
        ]
        if not places or name.text not in self._expander.lines:
            if places:
                self._report(
                    "E0603", f"`{name.text}` is a part of a line; a line is written again as a whole", name.span
                )
            else:
                self._nothing(name, f"a new line is put in by `after …: {line.steps[0].kind.text} …`")
            return
        self.items[places[0] : places[-1] + 1] = self._expander.expand_again(name.text, line)

    def _change(self, name: Word, change: Change) -> None:
        for index, item in enumerate(self.items):
            if isinstance(item, Part) and item.name == name.text:
                self.items[index] = replace(item, changes=(*item.changes, *change.arguments))
                return
        places = [
            index for index, item in enumerate(self.items) if isinstance(item, Enter) and item.prefix == f"{name.text}."
        ]
        line = self._expander.lines.get(name.text)
        if not places or line is None:
            self._nothing(name)
            return
        first, *rest = line.steps if len(line.steps) == 1 or line.steps[0].arguments else line.steps[1:]
        changed = {argument.key.text for argument in change.arguments if argument.key}
        kept = tuple(each for each in first.arguments if each.key is None or each.key.text not in changed)
        first = replace(first, arguments=(*kept, *change.arguments))
        inside = [index for index, item in enumerate(self.items) if _is_in(item, name.text)]
        again = self._expander.expand_again(
            name.text, replace(line, steps=(*line.steps[: len(line.steps) - 1 - len(rest)], first, *rest))
        )
        for word, statement in self._everywhere:
            again = [_changed_everywhere(item, word, statement) for item in again]
        self.items[inside[0] : inside[-1] + 1] = again

    def _nothing(self, word: Word, help: str = "") -> None:
        known = [*(item.name for item in self.items if isinstance(item, Part)), *self._expander.lines]
        present = {item.kind.text for item in self.items if isinstance(item, Part)}
        message = f"the network that is extended has no layer `{word.text}`"
        if word.text in kinds():
            message = f"the network that is extended has no `{word.text}`"
        near = did_you_mean(word.text, {*known, *present})
        helpful = near if near.startswith("did you mean") else help
        self._report("E0603", message, word.span, help=helpful)

    def _report(self, code: str, headline: str, span: Span, help: str = "") -> None:
        self._expander.diagnostics.append(Diagnostic(code, headline, span, help=help))


def _is_kind(item: Item, kind: str) -> bool:
    return isinstance(item, Part) and item.kind.text == kind


def _is_in(item: Item, name: str) -> bool:
    """Whether an item is the layer `name`, or belongs to the line or the block instance of that name."""
    if isinstance(item, Enter):
        return item.line == name or item.prefix.startswith(f"{name}.")
    return name in (item.name, item.line) or item.name.startswith(f"{name}.")


def _changed_everywhere(item: Item, kind: Word, statement: Statement) -> Item:
    if not isinstance(item, Part) or item.kind.text != kind.text:
        return item
    if isinstance(statement, Change):
        return replace(item, changes=(*item.changes, *statement.arguments))
    assert isinstance(statement, Pipeline)
    step = statement.steps[0]
    name = item.name
    if name.endswith(f".{kind.text}"):
        name = name.removesuffix(kind.text) + step.kind.text
    return replace(item, name=name, kind=step.kind, arguments=step.arguments, changes=())
