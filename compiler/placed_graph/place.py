"""Graph and placement to PlacedGraph: what each device computes, and the exchanges that this needs.

`placed_graph.py` explains layouts and exchanges.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import permutations, product

from ..graph.graph import Graph, Node
from ..layers.kind import Cut, Shape, ShapeError
from ..net.expanded_parts import attribute_of
from ..net.name_check import objection
from ..net.net import Keep, Layer, Placement, Split
from ..text.diagnostics import Diagnostic, Label
from ..text.fixes import Fix, Help, add_line_after
from .placed_graph import Exchange, Layout, Part, PlacedGraph, PlacedLayer, Transition, placed_name


def place(graph: Graph, placement: Placement) -> tuple[PlacedGraph | None, list[Diagnostic]]:
    """Place a network on a mesh.

    A `split` without `in` applies to the layers that no other statement places on its axis. A layer that no statement
    places is whole on each device of the axis.
    """
    diagnostics = _check_names(graph, placement)
    rules = [_rules_of_axis(graph, placement, axis, diagnostics) for axis in range(len(placement.mesh))]
    if diagnostics:
        return None, diagnostics
    placer = _Placer(graph, placement, rules)
    for node in graph.without_loss():
        if len(placer.errors) == len(placement.mesh):
            break  # one message per axis: further layers would only repeat it
        placer.add(node)
    if placer.errors:
        return None, list(placer.errors.values())
    placed = placer.finish()
    if placer.order_error is not None:
        return None, [placer.order_error]
    if idle := _idle_device(placed):
        return None, [idle]
    placed.verify()
    return placed, []


@dataclass(frozen=True)
class _Rule:
    """The part of the outputs of a statement's layers that a device of an axis holds, and the rule that says it."""

    part: Part
    source: Split | Keep


def _check_names(graph: Graph, placement: Placement) -> list[Diagnostic]:
    """Check the name of the generated class, and that its attributes, the layers and the axes, have distinct names."""
    layers = {attribute_of(node.layer.name): node.layer for node in graph.nodes}
    name = placed_name(graph.net.name, placement.name)
    complaint = objection(name)
    message = f"its class would be `{name}`, which {complaint}"
    found = [Diagnostic("E0206", message, placement.span, help="choose another name")] if complaint else []
    return found + [
        Diagnostic(
            "E0207",
            f"`{axis.name}` is the name of an axis and of a layer",
            axis.span,
            others=(Label(layers[axis.name].span, "the layer"),),
            help="give one of the two another name",
        )
        for axis in placement.mesh
        if axis.name in layers
    ]


def _rules_of_axis(graph: Graph, placement: Placement, number: int, diagnostics: list[Diagnostic]) -> dict[str, _Rule]:
    """The rule for each statement of the network that the placement places on this axis."""
    axis = placement.mesh[number]
    if axis.devices == 1:
        return {}
    rules: list[Split | Keep] = [*placement.splits, *placement.keeps]
    rules = [rule for rule in rules if rule.axis == axis.name]
    if not rules:
        message = f"nothing is split over the axis `{axis.name}`: its {axis.devices} devices would compute the same"
        diagnostics.append(Diagnostic("E0405", message, axis.span, help=_split_images(placement, axis.name)))
    found: dict[str, _Rule] = {}
    rest: Split | None = None
    for rule in rules:
        if isinstance(rule, Split) and rule.statements is None:
            if rest is not None:
                diagnostics.append(_twice(axis.name, "every layer", rule, rest))
            rest = rule
            continue
        for statement in rule.statements or ():
            part = rule.index if isinstance(rule, Keep) else rule.what
            before = found.setdefault(statement, _Rule(part, rule))
            if before.source is not rule:
                diagnostics.append(_twice(axis.name, f"`{statement}`", rule, before.source))
                break
    if rest is not None:
        found = {name: found.get(name, _Rule(rest.what, rest)) for name in graph.statements()}
    return found


def _split_images(placement: Placement, axis: str) -> Help:
    """The help for an axis that nothing is split over: a statement after the last one of the placement."""
    line = f"split images by {axis}"
    spans = [*(split.span for split in placement.splits), *(keep.span for keep in placement.keeps)]
    last = max(spans, key=lambda span: span.start, default=placement.mesh_span)
    return Help(line, None if last is None else add_line_after(last, line))


def _idle_device(placed: PlacedGraph) -> Diagnostic | None:
    """The error if a device has no weights, because all layers with weights are kept on others."""
    kept = {
        tuple(part if isinstance(part, int) else None for part in node.weights)
        for node in placed.layers()
        if node.whole.weights
    }
    patterns = {tuple(part is not None for part in each) for each in kept}

    def has_weights(indices: tuple[int, ...]) -> bool:
        """Whether a device has weights: some layer is kept at its indices, or on no axis at all."""
        return any(
            tuple(index if on_one else None for index, on_one in zip(indices, pattern, strict=True)) in kept
            for pattern in patterns
        )

    devices = product(*(range(axis.devices) for axis in placed.mesh)) if kept else ()
    idle = next((indices for indices in devices if not has_weights(indices)), None)
    if idle is None:
        return None
    device = " ".join(f"{axis.name}={index}" for axis, index in zip(placed.mesh, idle, strict=True))
    return Diagnostic(
        "E0405",
        f"the device {device} has no weights: all layers are kept on other devices",
        placed.mesh[0].span.to(placed.mesh[-1].span),
        help="keep some layers there, or make an axis shorter",
    )


def _twice(axis: str, what: str, rule: Split | Keep, before: Split | Keep) -> Diagnostic:
    return Diagnostic(
        "E0405",
        f"the axis `{axis}` places {what} twice",
        rule.span,
        others=(Label(before.span, "first here"),),
        help="name the layers of each of the two with `in`, or use another axis",
    )


class _Placer:
    """Takes the layers in order, and adds to `_nodes` the part of each that a device computes.

    Before a layer that needs an input in another layout than it has, it adds exchanges.
    """

    def __init__(self, graph: Graph, placement: Placement, rules: Sequence[Mapping[str, _Rule]]) -> None:
        self._graph, self._placement, self._rules = graph, placement, rules
        self._axes = range(len(placement.mesh))
        self._nodes: list[PlacedLayer | Exchange] = []
        self._layouts: dict[str | None, Layout] = {None: self._input_layout()}
        self._shapes: dict[str | None, Shape] = {None: graph.net.input}
        self._has_gradient: dict[str | None, bool] = {None: False}
        self._names = {node.layer.name for node in graph.nodes}
        self._exchanges: dict[tuple[str | None, int, Part, bool, tuple[int, int]], str] = {}
        self.errors: dict[int, Diagnostic] = {}  # the first one of each axis
        self.order_error: Diagnostic | None = None

    def add(self, node: Node) -> None:
        """Place the next layer."""
        layer = node.layer
        parts: list[Part] = [self._part(axis, layer) for axis in self._axes]
        output, cut = node.output, Cut(layer.kind)
        given = list(node.given)
        reads: list[tuple[Part, bool]] = []  # per axis: the part that it reads, and whether that gradient is partial
        halo: tuple[int, tuple[int, int]] | None = None
        for axis in self._axes:
            part, devices = parts[axis], self._placement.mesh[axis].devices
            if part != "channels":
                reads.append((part, False))
                continue
            try:
                share = None if halo else cut.kind.cut(given, output, devices)
            except ShapeError as error:
                self._report(axis, layer, error)
                share = None
            if share is None:
                parts[axis] = "whole"
                reads.append(("whole", False))
                continue
            cut, output = share, output.share(devices)
            if any(share.halo):
                halo = (axis, share.halo)
            if not share.reads_all:
                given = [shape.share(devices) for shape in given]
            reads.append(("whole", True) if share.reads_all else ("channels", False))
        if self.errors:
            return
        inputs = tuple(self._exchanged(name, reads, halo, layer) for name in layer.inputs)
        layout: Layout = tuple(parts)
        kind = cut.kind
        around = halo[1] if halo else (0, 0)
        given = [Shape((shape.channels + sum(around), *shape.sizes[1:]), shape.towers) for shape in given]
        local = Node(
            replace(layer, kind=kind, inputs=inputs),
            tuple(given),
            output,
            kind.weights(given[0], output),
            kind.neurons(given[0], output),
            kind.multiply_adds(given[0], output),
        )
        weights: Layout = tuple("whole" if part == "images" else part for part in layout)
        self._nodes.append(PlacedLayer(node, local, layout, weights, around))
        self._layouts[layer.name], self._shapes[layer.name] = layout, node.output
        self._has_gradient[layer.name] = node.weights is not None or any(map(self._has_gradient.get, layer.inputs))

    def finish(self) -> PlacedGraph:
        """Move the outputs to the layout of the loss."""
        graph = self._graph
        heads = graph.heads
        names = [head.layer.inputs[0] for head in heads] or [graph.nodes[-1].layer.name]
        loss: Layout = tuple(self._loss_part(axis, self._layouts[names[0]][axis]) for axis in self._axes)
        ends = [head.layer for head in heads] or [graph.nodes[-1].layer]
        reads: list[tuple[Part, bool]] = [(part, False) for part in loss]
        # The output of the main head is moved last, because the forward pass ends with it.
        pairs = reversed([*zip(names, ends, strict=True)])
        outputs = [self._exchanged(name, reads, None, end) for name, end in pairs]
        return PlacedGraph(
            graph,
            self._placement,
            tuple(self._nodes),
            self._layouts[None],
            loss,
            tuple(name for name in reversed(outputs) if name is not None),
        )

    def _part(self, axis: int, layer: Layer) -> Part:
        rule = self._rules[axis].get(layer.statement)
        return rule.part if rule else "whole"

    def _input_layout(self) -> Layout:
        """A device gets only its own images if each layer that reads the input splits the images."""
        readers = [node.layer for node in self._graph.nodes if None in node.layer.inputs]
        return tuple(
            "images" if all(self._part(axis, layer) == "images" for layer in readers) else "whole"
            for axis in self._axes
        )

    def _loss_part(self, axis: int, part: Part) -> Part:
        """The part of the loss that a device computes: it needs all units, of its own images if the axis splits any."""
        if part != "channels":
            return part
        return "images" if any(rule.part == "images" for rule in self._rules[axis].values()) else "whole"

    def _exchanged(
        self,
        name: str | None,
        reads: Sequence[tuple[Part, bool]],
        halo: tuple[int, tuple[int, int]] | None,
        reader: Layer,
    ) -> str | None:
        """Add the exchanges that convert the tensor `name` for `reader`; returns the name of the converted tensor."""
        order = self._order(self._layouts[name], [part for part, _ in reads])
        if order is None:
            self.order_error = self.order_error or self._cannot_order(reader)
            return name
        for axis in order:
            part, partial = reads[axis]
            transition = self._transition(name, axis, part, partial)
            if transition is not None:
                name = self._exchange(name, axis, part, partial, transition, reader)
        if halo is not None:
            axis, around = halo
            name = self._exchange(name, axis, "channels", False, Transition.WITH_HALO, reader, around)
        return name

    def _order(self, before: Layout, after: Sequence[Part]) -> tuple[int, ...] | None:
        """An order of the axes for the exchanges, or None.

        If two axes split the same dimension, the inner axis splits the parts of the outer one. An exchange over the
        outer axis is then only possible after the inner parts were put together.
        """
        changing = [axis for axis in self._axes if before[axis] != after[axis]]
        others = [axis for axis in self._axes if before[axis] == after[axis]]
        for order in permutations(reversed(changing)):
            layout = list(before)
            for axis in order:
                inner = {layout[other] for other in self._axes if other > axis}
                if {layout[axis], after[axis]} & {"images", "channels"} & inner:
                    break
                layout[axis] = after[axis]
            else:
                return (*order, *others)
        return None

    def _transition(self, name: str | None, axis: int, after: Part, partial: bool) -> Transition | None:
        before = self._layouts[name][axis]
        if before == after:
            needs_sum = partial and self._has_gradient[name] and self._placement.mesh[axis].devices > 1
            return Transition.SPREAD if needs_sum else None
        match before, after:
            case "images" | "channels", "images" | "channels":
                return Transition.ALL_TO_ALL
            case "images" | "channels", "whole":
                return Transition.ALL_GATHER if partial else Transition.ALL_GATHER_WHOLE
            case "whole", "images" | "channels":
                return Transition.OWN_PART
            case "whole", int():
                return Transition.KEEP_ON
            case "images" | "channels", int():
                return Transition.GATHER
            case int(), "images" | "channels":
                return Transition.SCATTER
            case int(), "whole":
                return Transition.BROADCAST if partial else Transition.BROADCAST_WHOLE
            case _:
                return Transition.SEND

    def _exchange(
        self,
        name: str | None,
        axis: int,
        part: Part,
        partial: bool,
        transition: Transition,
        reader: Layer,
        halo: tuple[int, int] = (0, 0),
    ) -> str:
        """Add an exchange, or find an equal one that an earlier reader needed; returns its name."""
        key = (name, axis, part, partial, halo)
        if key not in self._exchanges:
            made = self._free_name(f"{reader.name}.{transition.function}")
            before = self._layouts[name]
            after: Layout = (*before[:axis], part, *before[axis + 1 :])
            shape, has_gradient = self._shapes[name], self._has_gradient[name]
            self._nodes.append(
                Exchange(
                    name=made,
                    reads=name,
                    reader=reader.name,
                    statement=reader.statement,
                    transition=transition,
                    axis=axis,
                    before=before,
                    after=after,
                    shape=shape,
                    has_gradient=has_gradient,
                    halo=halo,
                )
            )
            self._layouts[made], self._shapes[made], self._has_gradient[made] = after, shape, has_gradient
            self._exchanges[key] = made
        return self._exchanges[key]

    def _free_name(self, name: str) -> str:
        free, number = name, 1
        while free in self._names:
            number += 1
            free = f"{name}{number}"
        self._names.add(free)
        return free

    def _report(self, axis: int, layer: Layer, error: ShapeError) -> None:
        rule = self._rules[axis][layer.statement].source
        devices = self._placement.mesh[axis].devices
        if axis not in self.errors:
            self.errors[axis] = Diagnostic(
                error.code,
                f"`{layer.name}` {error.message}",
                rule.span,
                f"among the {devices} devices of `{self._placement.mesh[axis].name}`",
                (Label(layer.span, "this layer"), Label(self._placement.mesh[axis].span, f"{devices} devices")),
                error.help,
            )

    def _swapped_axes(self) -> Fix | None:
        """The edit that swaps the axes; None if there are more than two, so that it is open which two are meant."""
        place, mesh = self._placement.mesh_span, self._placement.mesh
        if place is None or len(mesh) != 2:
            return None
        return Fix(place, " ".join(["mesh", *(f"{axis.name}={axis.devices}" for axis in reversed(mesh))]))

    def _cannot_order(self, reader: Layer) -> Diagnostic:
        return Diagnostic(
            "E0406",
            f"two axes split the same dimension of the input of `{reader.name}`, but only the outer one must change",
            self._placement.span,
            others=(Label(reader.span, "this layer needs its input in another layout"),),
            help=Help("swap the two axes in `mesh`: the one that changes must be the last", self._swapped_axes()),
        )
