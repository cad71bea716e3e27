"""The diff of two specs: what changes, and whether the weights of one network load into the other."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import pairwise
from typing import Literal

from ..layers.kind import towers_text
from ..net.spec_text import argument_text, placement_lines, recipe_texts, step_text
from .graph import Graph, Node


@dataclass(frozen=True)
class Setting:
    """A setting of a spec besides its layers, before and after; None where a spec does not have it."""

    name: str
    before: str | None
    after: str | None


@dataclass(frozen=True)
class Figures:
    """The output shape of a layer, and its counts per image."""

    output: str
    parameters: int
    multiply_adds: int


@dataclass(frozen=True)
class LayerChange:
    """A layer that only one of the specs has, or that differs. `what` describes it, one line per change."""

    layer: str
    change: Literal["added", "dropped", "changed"]
    what: tuple[str, ...]
    before: Figures | None
    after: Figures | None


@dataclass(frozen=True)
class Totals:
    """The sums over all layers of a network, per image."""

    layers: int
    parameters: int
    neurons: int
    multiply_adds: int


@dataclass(frozen=True)
class SharedWeights:
    """The names of the layers with weights, grouped by how the two specs agree on them."""

    alike: tuple[str, ...]
    reshaped: tuple[str, ...]
    only_before: tuple[str, ...]
    only_after: tuple[str, ...]

    @property
    def load(self) -> bool:
        """Whether a checkpoint of each network loads into the other."""
        return not (self.reshaped or self.only_before or self.only_after)


@dataclass(frozen=True)
class Diff:
    """All differences between two specs, and the sums of each."""

    settings: tuple[Setting, ...]
    layers: tuple[LayerChange, ...]
    before: Totals
    after: Totals
    weights: SharedWeights

    @property
    def same(self) -> bool:
        """Whether the specs describe the same network and training."""
        return not (self.settings or self.layers)


def diff(before: Graph, after: Graph) -> Diff:
    """Compare two networks with their placements and recipes; layers are matched by name and order.

    A layer whose shapes change only because its input has another shape is left out.
    """
    return Diff(
        tuple(_settings(before, after)),
        tuple(_layers(before, after)),
        _totals(before),
        _totals(after),
        _weights(before, after),
    )


def _totals(graph: Graph) -> Totals:
    return Totals(len(graph.nodes), graph.parameters, graph.neurons, graph.multiply_adds)


def _settings(before: Graph, after: Graph) -> Iterator[Setting]:
    old, new = settings_of(before), settings_of(after)
    for name in dict.fromkeys([*old, *new]):
        if old.get(name) != new.get(name):
            yield Setting(name, old.get(name), new.get(name))


def settings_of(graph: Graph) -> dict[str, str]:
    """The settings of a spec besides its layers: pairs of name and text."""
    settings = {"network": graph.net.name, "input": str(graph.net.input), "towers": towers_text(graph.net.towers)}
    lines = list(graph.statements())
    settings |= {f"placement {each.name}": "; ".join(placement_lines(each, lines)) for each in graph.net.placements}
    if graph.net.recipe is not None:
        settings |= {f"train {name}": text for name, text in recipe_texts(graph.net.recipe).items()}
    return settings


def _layers(before: Graph, after: Graph) -> Iterator[LayerChange]:
    pairs = list(_matched(before.nodes, after.nodes))
    renamed = {old.layer.name: new.layer.name for old, new in pairs if old and new}
    in_sequence, in_sequence_now = _in_sequence(before.nodes), _in_sequence(after.nodes)
    change_before: object = None  # of the output shape of the layer before
    for old, new in pairs:
        if old is None and new is not None:
            yield LayerChange(new.layer.name, "added", _in_full(new, in_sequence_now), None, _figures(new))
        elif new is None and old is not None:
            yield LayerChange(old.layer.name, "dropped", _in_full(old, in_sequence), _figures(old), None)
        elif old is not None and new is not None:
            what = (*_arguments(old, new), *_inputs(old, new, renamed, in_sequence & in_sequence_now))
            figures = (_figures(old), _figures(new))
            if what or (figures[0] != figures[1] and (old.output, new.output) != change_before):
                yield LayerChange(new.layer.name, "changed", what, *figures)
            change_before = (old.output, new.output)


def _matched(before: Sequence[Node], after: Sequence[Node]) -> Iterator[tuple[Node | None, Node | None]]:
    """Pair layers of the same name, in order. Between those, pair layers at the same position of their lines."""
    matcher = SequenceMatcher(
        None, [node.layer.name for node in before], [node.layer.name for node in after], autojunk=False
    )
    for _, start, end, new_start, new_end in matcher.get_opcodes():
        old, new = deque(before[start:end]), deque(after[new_start:new_end])
        lines = Counter(node.layer.line for node in old)
        new_lines = Counter(node.layer.line for node in new)
        while old and new:
            line, new_line = old[0].layer.line, new[0].layer.line
            is_added = line != new_line and new_lines[line] and not lines[new_line]
            is_dropped = line != new_line and not is_added
            lines[line] -= not is_added
            new_lines[new_line] -= not is_dropped
            yield None if is_added else old.popleft(), None if is_dropped else new.popleft()
        yield from ((node, None) for node in old)
        yield from ((None, node) for node in new)


def _in_sequence(nodes: Sequence[Node]) -> set[str]:
    """The names of the layers that read only the layer before them: their input is not listed."""
    return {node.layer.name for before, node in pairwise(nodes) if node.layer.inputs == (before.layer.name,)}


def _arguments(old: Node, new: Node) -> Iterator[str]:
    if old.layer.kind.keyword != new.layer.kind.keyword:
        yield f"{step_text(old.layer.kind)} -> {step_text(new.layer.kind)}"
        return
    for name in old.layer.kind.fields():
        values = [getattr(node.layer.kind, name) for node in (old, new)]
        if values[0] != values[1]:
            yield f"{name} {argument_text(values[0])} -> {argument_text(values[1])}"
    shapes = [_weights_text(node) for node in (old, new)]
    if shapes[0] != shapes[1]:
        yield f"weights {shapes[0]} -> {shapes[1]}"


def _in_full(node: Node, in_sequence: Container[str]) -> tuple[str, ...]:
    text = step_text(node.layer.kind)
    return (text,) if node.layer.name in in_sequence else (text, f"input {_names(node.layer.inputs)}")


def _inputs(old: Node, new: Node, renamed: Mapping[str, str], in_sequence: Container[str]) -> Iterator[str]:
    reads = tuple(renamed.get(name, name) if name else None for name in old.layer.inputs)
    if reads != new.layer.inputs and not (old.layer.name in in_sequence and new.layer.name in in_sequence):
        yield f"input {_names(reads)} -> {_names(new.layer.inputs)}"


def _names(inputs: Sequence[str | None]) -> str:
    return ", ".join(name or "the image" for name in inputs)


def _weights_text(node: Node) -> str:
    return "x".join(map(str, node.weights.shape)) if node.weights else "none"


def _figures(node: Node) -> Figures:
    return Figures(str(node.output), node.weight_count + node.bias_count, node.multiply_adds)


def _weights(before: Graph, after: Graph) -> SharedWeights:
    old, new = _tensors(before), _tensors(after)
    shared = [name for name in old if name in new]
    return SharedWeights(
        alike=tuple(name for name in shared if old[name] == new[name]),
        reshaped=tuple(name for name in shared if old[name] != new[name]),
        only_before=tuple(name for name in old if name not in new),
        only_after=tuple(name for name in new if name not in old),
    )


def _tensors(graph: Graph) -> dict[str, tuple[tuple[int, ...], int]]:
    """The shape of the weight and the length of the bias of each layer that has them, by name."""
    return {node.layer.name: (node.weights.shape, node.weights.biases) for node in graph.nodes if node.weights}
