"""Reads a `placement` block: the device mesh, the splits and the kept layers."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from .. import vocabulary as words
from ..text.diagnostics import Diagnostic, Label
from ..text.fixes import Fix, Help, add_words, did_you_mean, remove_words
from ..text.source import Span
from ..tree.tree import (
    Argument,
    Block,
    LayerRange,
    Number,
    Pipeline,
    Statement,
    Step,
    Value,
    Word,
    first_line,
    first_word,
)
from ..vocabulary import CHANNELS, HALF, IMAGES, KEEP, MESH, SEND, SPLIT, SPLIT_WORDS
from .name_check import objection
from .net import Axis, Keep, Placement, Split

_MOST_DEVICES = 65_536
MOST_AXES = 6  # the orders of their exchanges and the groups of equal devices grow exponentially
_FORMS = {
    MESH: "mesh tower=2",
    SPLIT: "split channels by tower in conv1..conv5",
    KEEP: "keep fc8 on tower 0",
    SEND: f"{SEND} {HALF}",
}


def read_placement_block(
    chain: Sequence[Block], statement_names: Sequence[str]
) -> tuple[Placement | None, list[Diagnostic]]:
    """Read a placement.

    Args:
        chain: the blocks from the one that extends no other up to the placement.
        statement_names: the names of the network's lines outside all blocks, in order.
    """
    block = chain[-1]
    reader = _Reader(statement_names)
    if block.name is None:
        helpful = Help("write `placement two_gpus { … }`", add_words(block.keyword.span, "two_gpus"))
        reader.report("E0206", "a placement needs a name", block.keyword.span, help=helpful)
    elif complaint := objection(block.name.text):
        reader.report("E0206", f"`{block.name.text}` {complaint}", block.name.span, help="choose another name")
    statements = _merged(chain)
    meshes = [each for each in statements if first_word(each).text == MESH]
    for statement in [*meshes, *(each for each in statements if each not in meshes)]:
        reader.read(statement)
    if not meshes:
        helpful = Help(f"add a line such as `{_FORMS[MESH]}`", first_line(block, _FORMS[MESH]))
        reader.report("E0210", "the placement has no `mesh`", block.span, help=helpful)
    if reader.diagnostics or block.name is None:
        return None, reader.diagnostics
    return Placement(
        block.name.text,
        block.name.span,
        tuple(reader.mesh),
        tuple(reader.splits),
        tuple(reader.keeps),
        reader.half,
        reader.mesh_span,
    ), []


def _merged(chain: Sequence[Block]) -> list[Statement]:
    """All statements; a block's own mesh replaces the mesh, and its own splits and keeps replace all others."""
    merged: list[Statement] = []
    for block in chain:
        own = list(block.statements)
        replaced = {first_word(each).text == MESH for each in own}
        merged = [each for each in merged if (first_word(each).text == MESH) not in replaced] + own
    return merged


class _Reader:
    def __init__(self, statement_names: Sequence[str]) -> None:
        self._names = list(statement_names)
        self._axis_spans: dict[str, Span] = {}
        self.mesh: list[Axis] = []
        self.mesh_span: Span | None = None
        self.splits: list[Split] = []
        self.keeps: list[Keep] = []
        self.half = False
        self.diagnostics: list[Diagnostic] = []

    def report(self, code: str, headline: str, span: Span, other: Label | None = None, help: str = "") -> None:
        others = () if other is None else (other,)
        self.diagnostics.append(Diagnostic(code, headline, span, others=others, help=help))

    def read(self, statement: Statement) -> None:
        readers = {MESH: self._read_mesh, SPLIT: self._read_split, KEEP: self._read_keep, SEND: self._read_send}
        word = first_word(statement)
        if not isinstance(statement, Pipeline) or statement.label or word.text not in readers:
            message = f"a placement has no statement `{word.text}`"
            self.report("E0202", message, word.span, help=did_you_mean(word.span, readers))
        else:
            step, *more = statement.steps
            if more:
                self._invalid(word.text, more[0].span)
            else:
                readers[word.text](step)

    def _invalid(self, form: str, span: Span) -> None:
        self.report("E0403", f"this is not a valid `{form}` statement", span, help=f"for example: `{_FORMS[form]}`")

    def _read_mesh(self, step: Step) -> None:
        if self.mesh:
            helpful = "put all axes into one: `mesh copy=4 tower=2`"
            self.report("E0210", "the placement has two `mesh` statements", step.span, help=helpful)
        self.mesh_span = self.mesh_span or step.span
        if not step.arguments:
            self._invalid(MESH, step.span)
        for argument in step.arguments:
            self._read_axis(argument)
        devices = prod(axis.devices for axis in self.mesh)
        if len(self.mesh) > MOST_AXES:
            self.report("E0403", f"the mesh has {len(self.mesh)} axes; the limit is {MOST_AXES}", step.span)
        elif devices > _MOST_DEVICES:
            self.report("E0403", f"the mesh has {devices:,} devices; the limit is {_MOST_DEVICES:,}", step.span)

    def _read_axis(self, argument: Argument) -> None:
        length = argument.values[0]
        if argument.key is None or not isinstance(length, Number):
            self._invalid(MESH, argument.span)
            return
        axis = argument.key
        if complaint := objection(axis.text):
            self.report("E0206", f"`{axis.text}` {complaint}", axis.span, help="choose another name")
        elif axis.text in self._axis_spans:
            before = self._axis_spans[axis.text]
            helpful = Help("remove one of the two", remove_words(argument.span), remove_words(before))
            message = f"the mesh has the axis `{axis.text}` twice"
            self.report("E0401", message, argument.span, Label(before, "first given here"), helpful)
        elif not isinstance(length.value, int) or not 1 <= length.value <= _MOST_DEVICES:
            message = f"the length of an axis must be a whole number from 1 to {_MOST_DEVICES}"
            self.report("E0403", message, length.span)
        else:
            self._axis_spans[axis.text] = argument.span
            self.mesh.append(Axis(axis.text, length.value, axis.span))

    def _read_split(self, step: Step) -> None:
        values = [value for argument in step.arguments for value in argument.values]
        match values:
            case [Word(what), Word(words.BY), Word() as axis] if what in SPLIT_WORDS:
                statements: tuple[str, ...] | None = None
            case [Word(what), Word(words.BY), Word() as axis, Word(words.IN), _, *_] if what in SPLIT_WORDS:
                statements = self._statements(values[4:])
            case _:
                self._invalid(SPLIT, step.span)
                return
        if self._has_axis(axis):
            self.splits.append(Split(IMAGES if what == IMAGES else CHANNELS, axis.text, statements, step.span))

    def _read_keep(self, step: Step) -> None:
        values = [value for argument in step.arguments for value in argument.values]
        match values:
            case [_, *_, Word(words.ON), Word() as axis, Number(int() as index)]:
                statements = self._statements(values[:-3])
            case _:
                self._invalid(KEEP, step.span)
                return
        if not self._has_axis(axis):
            return
        devices = next(each.devices for each in self.mesh if each.name == axis.text)
        if not 0 <= index < devices:
            message = f"the axis `{axis.text}` has devices 0 to {devices - 1}, not {index}"
            length = Label(self._axis_spans[axis.text], "its length is given here")
            self.report("E0401", message, values[-1].span, length)
        else:
            self.keeps.append(Keep(statements, axis.text, index, step.span))

    def _read_send(self, step: Step) -> None:
        values = [value for argument in step.arguments for value in argument.values]
        match values:
            case [Word(words.HALF)] if step.arguments[0].key is None:
                self.half = True
            case _:
                self._invalid(SEND, step.span)

    def _has_axis(self, axis: Word) -> bool:
        if axis.text not in self._axis_spans:
            if not self.mesh:  # already reported: the mesh is missing or invalid
                return False
            message = f"the mesh has no axis `{axis.text}`"
            self.report("E0401", message, axis.span, help=did_you_mean(axis.span, self._axis_spans))
            return False
        return True

    def _statements(self, values: Sequence[Value]) -> tuple[str, ...]:
        """The lines that words and ranges name, in the order of the network and without repetitions."""
        named: set[str] = set()
        for value in values:
            match value:
                case Word():
                    named |= self._between(value, value)
                case LayerRange(first, last):
                    named |= self._between(first, last)
                case _:
                    message = f"`{value.span.text}` is not the name of a layer"
                    self.report("E0402", message, value.span)
        return tuple(name for name in self._names if name in named)

    def _between(self, first: Word, last: Word) -> set[str]:
        unknown = [word for word in dict.fromkeys((first, last)) if word.text not in self._names]
        for word in unknown:
            message = f"the network has no layer `{word.text}`"
            self.report("E0402", message, word.span, help=did_you_mean(word.span, self._names))
        if unknown:
            return set()
        start, end = self._names.index(first.text), self._names.index(last.text)
        if start > end:
            message = f"`{last.text}` comes before `{first.text}`"
            place, forward = first.span.to(last.span), f"{last.text}..{first.text}"
            self.report("E0402", message, place, help=Help(f"write `{forward}`", Fix(place, forward)))
        return set(self._names[start : end + 1])
