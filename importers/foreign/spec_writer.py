"""Writes the spec of a foreign network, as a person would write it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from alexc.compiler.layers.kind import Join, towers_text
from alexc.compiler.net.expanded_parts import attribute_of
from alexc.compiler.net.net import Axis, Keep, Placement, Split
from alexc.compiler.net.spec_text import placement_lines, step_text
from alexc.compiler.pipeline import check_text
from alexc.compiler.text.diagnostics import Diagnostic
from alexc.compiler.text.source import Source
from alexc.compiler.tree.format import format_spec
from alexc.printable import printable

from .defaults import Defaults
from .names import is_plain_change, legal_name
from .network import ForeignLayer, ForeignNetwork, ForeignPlacement

_WIDEST_LINE = 100  # a longer line is broken before its second step
_WIDEST_COMMENT = 110
_WIDEST_BESIDE = 104  # a statement of a recipe without its keyword, and the comment beside it
_LONGEST_COMMENT = 1000

_BEGIN_LINES = ("conv", "linear", "local")  # each begins a line of the spec


@dataclass(frozen=True)
class ImportResult:
    """The text of a spec, or None if there are errors, and the diagnostics."""

    text: str | None
    findings: tuple[Diagnostic, ...]


def write_spec(network: ForeignNetwork, most_parameters: int) -> ImportResult:
    """Write the spec and check it: a returned text always compiles.

    Errors that alexc finds in the spec, such as more than `most_parameters`, point at the foreign layer. A recipe that
    does not fit the network becomes a comment, with a warning.
    """
    lines = _Lines(network)
    findings: list[Diagnostic] = []
    text = _text(network, lines, recipe_counts=True)
    checked = check_text(text, "imported.net", most_parameters=most_parameters)
    errors = [each for each in checked.diagnostics if each.severity == "error"]
    if network.recipe and errors and all(each.code == "E0501" for each in errors):
        findings += [_left_out(network, each) for each in errors]
        text = _text(network, lines, recipe_counts=False)
        checked = check_text(text, "imported.net", most_parameters=most_parameters)
    # W0501 is about the file's own recipe, which the import does not judge; `alexc check` reports it.
    findings += [_at_its_layer(network, lines, each) for each in checked.diagnostics if each.code != "W0501"]
    return ImportResult(None if checked.graph is None else text, tuple(findings))


def _left_out(network: ForeignNetwork, found: Diagnostic) -> Diagnostic:
    message = f"the recipe is left out because it does not fit the network: {found.headline}"
    return Diagnostic("W0901", message, network.span, help="the spec has it as a comment")


def _at_its_layer(network: ForeignNetwork, lines: _Lines, found: Diagnostic) -> Diagnostic:
    """A diagnostic of the spec, moved to the layer in the foreign file."""
    layer = lines.layer_at(found.span.source.text, found.span.start)
    span = network.span if layer is None else layer.span
    code = "E0907" if found.severity == "error" else found.code
    return Diagnostic(code, f"as a spec: {found.headline}", span, found.label, help=found.help)


@dataclass
class _Line:
    """A line of the spec: layers that each read the one before. The first has the name of the line."""

    number: int
    layers: list[ForeignLayer]
    label: str = ""


class _Lines:
    """Groups the layers into lines and names the lines."""

    def __init__(self, network: ForeignNetwork) -> None:
        self.lines: list[_Line] = []
        self.renamed: dict[str, str] = {}  # from foreign names to different names in the spec
        self._line_of: dict[str | None, _Line] = {}
        self._readers = Counter(name for layer in network.layers for name in layer.inputs)
        self._places = _places(network)
        for layer in network.layers:
            self._put(layer)
        self._name_lines()

    def _put(self, layer: ForeignLayer) -> None:
        line = self._goes_on(layer)
        # A placement names lines, so the layers of a line lie on the same devices; a softmax belongs to the loss.
        if line is None or (self._places[layer.name] != self._places[line.layers[-1].name] and not layer.kind.in_loss):
            line = _Line(len(self.lines), [])
            self.lines.append(line)
        line.layers.append(layer)
        self._line_of[layer.name] = line

    def _goes_on(self, layer: ForeignLayer) -> _Line | None:
        """The line that a layer continues: the line that it reads, if no other layer reads the end of that line."""
        if layer.kind.keyword in _BEGIN_LINES:
            return None
        if isinstance(layer.kind, Join):
            return self._line_that_is_joined(layer)
        return self._open_line(layer.inputs[0])

    def _line_that_is_joined(self, layer: ForeignLayer) -> _Line | None:
        """The line that a join continues: the last of those that it reads. `concat` begins a line, for its order.

        If that last line is a shortcut with weights, written after the main path into the same sum, the sum begins a
        line too.
        """
        assert isinstance(layer.kind, Join)
        if not layer.kind.symmetric:
            return None
        read = [self._line_of[name] for name in layer.inputs if name is not None]
        if not read:
            return None
        last = max(read, key=lambda line: line.number)
        ending = [line for name in layer.inputs if (line := self._open_line(name)) is not None]
        if last not in ending or read.count(last) != 1:
            return None
        return last if len(ending) == 1 or self._follows_the_line_above(last) else None

    def _follows_the_line_above(self, line: _Line) -> bool:
        above = self.lines[line.number - 1].layers[-1].name if line.number else None
        return line.layers[0].inputs == (above,)

    def _open_line(self, name: str | None) -> _Line | None:
        line = self._line_of.get(name)
        return line if line is not None and line.layers[-1].name == name and self._readers[name] == 1 else None

    def _name_lines(self) -> None:
        taken: set[str] = set()
        again: Counter[str] = Counter()
        for line in self.lines:
            first = line.layers[0]
            name = legal_name(first.name, first.kind.keyword)
            label = name
            while taken & {attribute_of(part) for part in _parts(label, line)}:
                again[name] += 1
                label = f"{name}_{again[name] + 1}"
            taken |= {attribute_of(part) for part in _parts(label, line)}
            line.label = label
            if label != first.name:
                self.renamed[first.name] = label

    def label_of(self, name: str | None) -> str:
        """The name of a layer that a line reads, which is always the end of a line."""
        return "input" if name is None else self._line_of[name].label

    def statements_of(self, names: Iterable[str]) -> tuple[str, ...]:
        """The names of the lines that hold these foreign layers, each once."""
        return tuple(dict.fromkeys(self._line_of[name].label for name in names))

    def layer_at(self, text: str, place: int) -> ForeignLayer | None:
        """The first layer of the line of the spec at an offset of its text."""
        labels = re.findall(r"^  (\w+):", text[: text.find("\n", place) + 1], re.MULTILINE)
        return next((line.layers[0] for line in self.lines if labels and line.label == labels[-1]), None)


def _places(network: ForeignNetwork) -> dict[str, list[object]]:
    """The statements of the placements that name each layer."""
    found: dict[str, list[object]] = {layer.name: [] for layer in network.layers}
    for placement in network.placements:
        for split in placement.splits:
            for name in split.layers or ():
                found[name].append(split)
        for keep in placement.keeps:
            for name in keep[0]:
                found[name].append(keep)
    return found


def _parts(label: str, line: _Line) -> Iterator[str]:
    """The names of the layers of a line in the spec."""
    yield label
    counts: Counter[str] = Counter()
    for layer in line.layers[1:]:
        keyword = layer.kind.keyword
        counts[keyword] += 1
        yield f"{label}.{keyword}{counts[keyword] if counts[keyword] > 1 else ''}"


def _text(network: ForeignNetwork, lines: _Lines, recipe_counts: bool) -> str:
    name = legal_name(network.name, "Net")
    said_often = _said_often(network.layers)
    head = [*_renaming_notes(network, name, lines), *said_often]
    output = [
        *_comments([f"{network.name or 'A network'}, from {network.program}.", *network.notes, *head], ""),
        "",
        f"network {name} {{",
        f"  input {network.input}",
        *([f"  towers {towers_text(network.towers)}"] if network.towers > 1 else []),
        "",
    ]
    defaults = Defaults([layer.kind for layer in network.layers])
    if defaults.lines:
        output += [*(f"  {line}" for line in defaults.lines), ""]
    current: str | None = None
    for line in lines.lines:
        output += _comments(_line_notes(line, lines, said_often), "  ")
        output.append(_line_text(line, lines, defaults, current))
        current = line.layers[-1].name
    output.append("}")
    for placement in network.placements:
        output += ["", *_placement_text(placement, lines)]
    if network.recipe:
        output += ["", *_recipe_text(network, recipe_counts)]
    text, problems = format_spec(Source("imported.net", "\n".join([*output, ""])))
    assert text is not None, problems[0].headline
    return text


def _line_text(line: _Line, lines: _Lines, defaults: Defaults, current: str | None) -> str:
    first = line.layers[0]
    if isinstance(first.kind, Join):
        start = " ".join([_step(first, defaults), *map(lines.label_of, first.inputs)])
    else:
        source = "" if first.inputs[0] == current else f"{lines.label_of(first.inputs[0])} -> "
        start = f"{source}{_step(first, defaults)}"
    steps = [start]
    before = first.name
    for layer in line.layers[1:]:
        others = [lines.label_of(name) for name in layer.inputs if name != before]
        steps.append(" ".join([_step(layer, defaults), *others]))
        before = layer.name
    text = f"  {line.label}: {' -> '.join(steps)}"
    fits = len(text) <= _WIDEST_LINE or len(steps) == 1
    return text if fits else f"  {line.label}: {steps[0]}\n    -> {' -> '.join(steps[1:])}"


def _step(layer: ForeignLayer, defaults: Defaults) -> str:
    return step_text(layer.kind, defaults.of(layer.kind))


def _said_often(layers: Sequence[ForeignLayer]) -> list[str]:
    """Notes that several layers share, which the spec has once at the top."""
    counts = Counter(note for layer in layers for note in dict.fromkeys(layer.notes))
    return [note for note, count in counts.items() if count > 1]


def _renaming_notes(network: ForeignNetwork, name: str, lines: _Lines) -> list[str]:
    notes = (
        []
        if name == network.name
        else [f'{network.program} calls the network "{network.name}".']
        if network.name
        else []
    )
    plain = [pair for pair in lines.renamed.items() if is_plain_change(*pair)]
    if plain:
        notes.append(
            f"Characters that a name cannot have became `_`: {plain[0][1]} is {plain[0][0]} in {network.program}."
        )
    return notes


def _line_notes(line: _Line, lines: _Lines, said_often: Collection[str]) -> list[str]:
    first = line.layers[0].name
    renamed = lines.renamed.get(first)
    notes = [f'originally called "{first}"'] if renamed and not is_plain_change(first, renamed) else []
    return [*notes, *dict.fromkeys(note for layer in line.layers for note in layer.notes if note not in said_often)]


def _placement_text(placement: ForeignPlacement, lines: _Lines) -> list[str]:
    mesh = tuple(Axis(name, devices, placement.span) for name, devices in placement.mesh)
    model = Placement(
        legal_name(placement.name, "placement"),
        placement.span,
        mesh,
        tuple(
            Split(
                "images" if split.what == "images" else "channels",
                split.axis,
                None if split.layers is None else lines.statements_of(split.layers),
                placement.span,
            )
            for split in placement.splits
        ),
        tuple(Keep(lines.statements_of(names), axis, index, placement.span) for names, axis, index in placement.keeps),
        placement.half,
    )
    statements = placement_lines(model, [line.label for line in lines.lines])
    return [
        *_comments(placement.notes, ""),
        f"placement {model.name} {{",
        *(f"  {statement}" for statement in statements),
        "}",
    ]


def _recipe_text(network: ForeignNetwork, counts: bool) -> list[str]:
    """The `train` block; as a comment unless it counts."""
    block = ["train {"]
    widest = max(len(line.text) for line in network.recipe)
    for line in network.recipe:
        note = _plain(line.note)
        beside = note and widest + len(note) <= _WIDEST_BESIDE
        block += [] if beside or not note else _comments([note], "  ")
        block.append(f"  {line.word} {line.text}{f'  # {note}' if beside else ''}")
    block.append("}")
    notes = _comments(network.recipe_notes, "")
    return [*notes, *(block if counts else [f"# {line}" for line in block])]


def _comments(notes: Iterable[str], indent: str) -> list[str]:
    """Comment lines, wrapped. Each note begins a line."""
    output = []
    for note in notes:
        text = ""
        for word in _plain(note).split():
            if text and len(text) + 1 + len(word) > _WIDEST_COMMENT:
                output.append(f"{indent}# {text}")
                text = word
            else:
                text = f"{text} {word}" if text else word
        output.append(f"{indent}# {text}")
    return output


def _plain(note: str) -> str:
    """Text of a foreign file made safe for a comment: one line, printable, limited in length."""
    text = printable(note.replace("\n", " "))
    return text if len(text) <= _LONGEST_COMMENT else f"{text[:_LONGEST_COMMENT]} …"
