"""A `placement` block to a mesh and what is split over it."""

from __future__ import annotations

from collections.abc import Sequence

from .. import vocabulary as words
from ..text.diagnostics import Diagnostic, Label, did_you_mean
from ..text.source import Span
from ..tree.tree import Argument, Block, LayerRange, Number, Pipeline, Statement, Step, Value, Word, first_word
from ..vocabulary import CHANNELS, IMAGES, KEEP, MESH, SPLIT, SPLIT_WORDS
from .name_check import objection
from .net import Axis, Keep, Placement, Split

LARGEST_AXIS = 65_536
_FORMS = {
    MESH: "mesh tower=2",
    SPLIT: "split channels by tower in conv1..conv5",
    KEEP: "keep fc8 on tower 0",
}


def read_placement_block(
    chain: Sequence[Block], statement_names: Sequence[str]
) -> tuple[Placement | None, list[Diagnostic]]:
    """Read a placement.

    Args:
        chain: its block and what that extends, the root first.
        statement_names: the network's own lines, in order.
    """
    block = chain[-1]
    reader = _Reader(statement_names)
    if block.name is None:
        reader.report("E0206", "a placement needs a name", block.keyword.span, help="placement two_gpus { … }")
    elif complaint := objection(block.name.text):
        reader.report("E0206", f"`{block.name.text}` {complaint}", block.name.span, help="choose another name")
    statements = _merged(chain)
    meshes = [each for each in statements if first_word(each).text == MESH]
    for statement in [*meshes, *(each for each in statements if each not in meshes)]:
        reader.read(statement)
    if not meshes:
        reader.report("E0210", "the placement does not say its mesh", block.span, help=_FORMS[MESH])
    if reader.diagnostics or block.name is None:
        return None, reader.diagnostics
    return Placement(
        block.name.text, block.name.span, tuple(reader.mesh), tuple(reader.splits), tuple(reader.keeps)
    ), []


def _merged(chain: Sequence[Block]) -> list[Statement]:
    """A variant's mesh replaces the mesh, its splits and keeps those of what it extends."""
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
        self.splits: list[Split] = []
        self.keeps: list[Keep] = []
        self.diagnostics: list[Diagnostic] = []

    def report(self, code: str, headline: str, span: Span, other: Label | None = None, help: str = "") -> None:
        others = () if other is None else (other,)
        self.diagnostics.append(Diagnostic(code, headline, span, others=others, help=help))

    def read(self, statement: Statement) -> None:
        readers = {MESH: self._read_mesh, SPLIT: self._read_split, KEEP: self._read_keep}
        word = first_word(statement)
        if not isinstance(statement, Pipeline) or statement.label or word.text not in readers:
            message = f"a placement has no statement `{word.text}`"
            self.report("E0202", message, word.span, help=did_you_mean(word.text, readers))
        elif len(statement.steps) > 1:
            self._misformed(word.text, statement.steps[1].span)
        else:
            readers[word.text](statement.steps[0])

    def _misformed(self, form: str, span: Span) -> None:
        self.report("E0403", f"this is not the form of `{form}`", span, help=f"as in `{_FORMS[form]}`")

    def _read_mesh(self, step: Step) -> None:
        if self.mesh:
            self.report("E0210", "a placement has one mesh", step.span, help="join the axes: `mesh copy=4 tower=2`")
        if not step.arguments:
            self._misformed(MESH, step.span)
        for argument in step.arguments:
            self._read_axis(argument)

    def _read_axis(self, argument: Argument) -> None:
        length = argument.values[0]
        if argument.key is None or not isinstance(length, Number):
            self._misformed(MESH, argument.span)
            return
        axis = argument.key
        if complaint := objection(axis.text):
            self.report("E0206", f"`{axis.text}` {complaint}", axis.span, help="choose another name")
        elif axis.text in self._axis_spans:
            first = Label(self._axis_spans[axis.text], "first here")
            self.report("E0401", f"the mesh has the axis `{axis.text}` twice", axis.span, first)
        elif not isinstance(length.value, int) or not 1 <= length.value <= LARGEST_AXIS:
            message = f"an axis has a whole number of devices from 1 to {LARGEST_AXIS}"
            self.report("E0403", message, length.span)
        else:
            self._axis_spans[axis.text] = axis.span
            self.mesh.append(Axis(axis.text, length.value, axis.span))

    def _read_split(self, step: Step) -> None:
        values = [value for argument in step.arguments for value in argument.values]
        match values:
            case [Word(what), Word(words.BY), Word() as axis] if what in SPLIT_WORDS:
                statements: tuple[str, ...] | None = None
            case [Word(what), Word(words.BY), Word() as axis, Word(words.IN), _, *_] if what in SPLIT_WORDS:
                statements = self._statements(values[4:])
            case _:
                self._misformed(SPLIT, step.span)
                return
        if self._has_axis(axis):
            self.splits.append(Split(IMAGES if what == IMAGES else CHANNELS, axis.text, statements, step.span))

    def _read_keep(self, step: Step) -> None:
        values = [value for argument in step.arguments for value in argument.values]
        match values:
            case [_, *_, Word(words.ON), Word() as axis, Number(int() as index)]:
                statements = self._statements(values[:-3])
            case _:
                self._misformed(KEEP, step.span)
                return
        if not self._has_axis(axis):
            return
        devices = next(each.devices for each in self.mesh if each.name == axis.text)
        if not 0 <= index < devices:
            message = f"the axis `{axis.text}` has the devices 0 to {devices - 1}, not {index}"
            self.report("E0401", message, values[-1].span, Label(self._axis_spans[axis.text], "its length"))
        else:
            self.keeps.append(Keep(statements, axis.text, index, step.span))

    def _has_axis(self, axis: Word) -> bool:
        if axis.text not in self._axis_spans:
            if not self.mesh:  # said already: the mesh is missing or misformed
                return False
            message = f"the mesh has no axis `{axis.text}`"
            self.report("E0401", message, axis.span, help=did_you_mean(axis.text, self._axis_spans))
            return False
        return True

    def _statements(self, values: Sequence[Value]) -> tuple[str, ...]:
        """The statements that words and ranges name, in the network's order, each once."""
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
            self.report("E0402", message, word.span, help=did_you_mean(word.text, self._names))
        if unknown:
            return set()
        start, end = self._names.index(first.text), self._names.index(last.text)
        if start > end:
            message = f"`{last.text}` comes before `{first.text}`"
            self.report("E0402", message, first.span.to(last.span), help=f"write `{last.text}..{first.text}`")
        return set(self._names[start : end + 1])
