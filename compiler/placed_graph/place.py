"""Graph and placement to PlacedGraph: what each device computes, and the exchanges that this makes necessary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import permutations

from ..graph.graph import Graph, Node
from ..layers.kind import Cut, Shape, ShapeError
from ..net.expanded_parts import attribute_of
from ..net.name_check import objection
from ..net.net import Axis, Keep, Layer, Placement, Split
from ..text.diagnostics import Diagnostic, Label
from .placed_graph import Exchange, Layout, Part, PlacedGraph, PlacedLayer, Transition, placed_name


def place(graph: Graph, placement: Placement) -> tuple[PlacedGraph | None, list[Diagnostic]]:
    """Lay a network out on a mesh.

    A statement without `in` covers the layers that no other one places on its axis; what no statement places is whole
    on each device of the axis.
    """
    diagnostics = _check_names(graph, placement)
    parts = [_parts_on_axis(graph, placement, axis, diagnostics) for axis in range(len(placement.mesh))]
    if diagnostics:
        return None, diagnostics
    placer = _Placer(graph, placement, parts)
    for node in graph.without_loss():
        if len(placer.misfits) == len(placement.mesh):
            break  # one message an axis: the next layers would only say the same
        placer.add(node)
    if placer.misfits:
        return None, list(placer.misfits.values())
    placed = placer.finish()
    if placer.unordered is not None:
        return None, [placer.unordered]
    placed.verify()
    return placed, []


@dataclass(frozen=True)
class _Where:
    """How a statement of the spec lies on an axis, and what says so."""

    part: Part
    says: Split | Keep | None


def _check_names(graph: Graph, placement: Placement) -> list[Diagnostic]:
    """The class is named after network and placement; an axis is an attribute of it, as a layer is."""
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


def _parts_on_axis(graph: Graph, placement: Placement, number: int, diagnostics: list[Diagnostic]) -> dict[str, _Where]:
    """Of every statement that something places on this axis, how it lies there."""
    axis = placement.mesh[number]
    if axis.devices == 1:
        return {}
    rules: list[Split | Keep] = [*placement.splits, *placement.keeps]
    rules = [rule for rule in rules if rule.axis == axis.name]
    if not rules:
        message = f"nothing is split over the axis `{axis.name}`: its {axis.devices} devices would all do the same"
        diagnostics.append(Diagnostic("E0405", message, axis.span, help=f"split images by {axis.name}"))
    found: dict[str, _Where] = {}
    rest: Split | None = None
    for rule in rules:
        where = _Where(rule.index if isinstance(rule, Keep) else rule.what, rule)
        if isinstance(rule, Split) and rule.statements is None:
            if rest is not None:
                diagnostics.append(_twice(axis.name, "every layer", rule, rest))
            rest = rule
            continue
        for statement in rule.statements or ():
            before = found.setdefault(statement, where)
            if before.says is not rule and before.says is not None:
                diagnostics.append(_twice(axis.name, f"`{statement}`", rule, before.says))
                break
    if rest is not None:
        found = {name: found.get(name, _Where(rest.what, rest)) for name in graph.statements()}
    _check_idle(graph, axis, found, diagnostics)
    return found


def _check_idle(graph: Graph, axis: Axis, found: Mapping[str, _Where], diagnostics: list[Diagnostic]) -> None:
    """Where every layer with weights is kept on one device, each device must have some."""
    weighty = {node.layer.statement for node in graph.nodes if node.weights}
    kept = [found[name].part for name in weighty if name in found]
    if len(kept) < len(weighty) or not all(isinstance(part, int) for part in kept):
        return
    idle = next((device for device in range(axis.devices) if device not in kept), None)
    if idle is not None:
        message = f"device {idle} of the axis `{axis.name}` has no weights: all layers are kept on others"
        diagnostics.append(
            Diagnostic("E0405", message, axis.span, help="keep some layers there, or make the axis shorter")
        )


def _twice(axis: str, what: str, rule: Split | Keep, before: Split | Keep) -> Diagnostic:
    return Diagnostic(
        "E0405",
        f"the axis `{axis}` places {what} twice",
        rule.span,
        others=(Label(before.span, "first here"),),
        help="say `in` which layers each of the two is for, or use another axis",
    )


class _Placer:
    """Walks the layers in order, cuts each, and puts exchanges before what reads another layout than was made."""

    def __init__(self, graph: Graph, placement: Placement, parts: Sequence[Mapping[str, _Where]]) -> None:
        self._graph, self._placement, self._parts = graph, placement, parts
        self._axes = range(len(placement.mesh))
        self._nodes: list[PlacedLayer | Exchange] = []
        self._layouts: dict[str | None, Layout] = {None: self._input_layout()}
        self._shapes: dict[str | None, Shape] = {None: graph.net.input}
        self._has_gradient: dict[str | None, bool] = {None: False}
        self._names = {node.layer.name for node in graph.nodes}
        self._made: dict[tuple[str | None, int, Part, bool, tuple[int, int]], str] = {}
        self.misfits: dict[int, Diagnostic] = {}
        self.unordered: Diagnostic | None = None

    def add(self, node: Node) -> None:
        """Place the next layer."""
        layer = node.layer
        parts = [self._part(axis, layer) for axis in self._axes]
        output, cut = node.output, Cut(layer.kind)
        given = list(node.given)
        reads: list[tuple[Part, bool]] = []  # of each axis: how the layer reads, and whether its gradient is partial
        halo: tuple[int, tuple[int, int]] | None = None
        for axis in self._axes:
            part, devices = parts[axis], self._placement.mesh[axis].devices
            if part != "channels":
                reads.append((part, False))
                continue
            try:
                share = None if halo else cut.kind.cut(given, output, devices)
            except ShapeError as misfit:
                self._report(axis, layer, misfit)
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
        if self.misfits:
            return
        inputs = tuple(self._exchanged(name, reads, halo, layer) for name in layer.inputs)
        layout = tuple(parts)
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
        weights = tuple("whole" if part == "images" else part for part in layout)
        self._nodes.append(PlacedLayer(node, local, layout, weights, around))
        self._layouts[layer.name], self._shapes[layer.name] = layout, node.output
        self._has_gradient[layer.name] = node.weights is not None or any(map(self._has_gradient.get, layer.inputs))

    def finish(self) -> PlacedGraph:
        """Bring what the loss reads to where the loss is."""
        graph = self._graph
        heads = graph.heads
        names = [head.layer.inputs[0] for head in heads] or [graph.nodes[-1].layer.name]
        loss = tuple(self._loss_part(axis, self._layouts[names[0]][axis]) for axis in self._axes)
        ends = [head.layer for head in heads] or [graph.nodes[-1].layer]
        reads = [(part, False) for part in loss]
        # The main head's output is moved last: it is what the forward pass ends with.
        outputs = [self._exchanged(name, reads, None, end) for name, end in [*zip(names, ends, strict=True)][::-1]][
            ::-1
        ]
        return PlacedGraph(
            graph,
            self._placement,
            tuple(self._nodes),
            self._layouts[None],
            loss,
            tuple(name for name in outputs if name is not None),
        )

    def _part(self, axis: int, layer: Layer) -> Part:
        where = self._parts[axis].get(layer.statement)
        return where.part if where else "whole"

    def _input_layout(self) -> Layout:
        """A device reads its own images alone where all that read the input compute by images."""
        readers = [node.layer for node in self._graph.nodes if None in node.layer.inputs]
        return tuple(
            "images" if all(self._part(axis, layer) == "images" for layer in readers) else "whole"
            for axis in self._axes
        )

    def _loss_part(self, axis: int, part: Part) -> Part:
        """The loss of units that are cut is that of each device's own images where the axis cuts images at all."""
        if part != "channels":
            return part
        return "images" if any(where.part == "images" for where in self._parts[axis].values()) else "whole"

    def _exchanged(
        self,
        name: str | None,
        reads: Sequence[tuple[Part, bool]],
        halo: tuple[int, tuple[int, int]] | None,
        reader: Layer,
    ) -> str | None:
        """The name of the tensor `name` in the layout that `reader` needs, with the exchanges that make it."""
        order = self._order(self._layouts[name], [part for part, _ in reads])
        if order is None:
            self.unordered = self.unordered or self._cannot_order(reader)
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
        """An order of the axes in which no exchange moves a dimension that an inner axis cuts further."""
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
            spreads = partial and self._has_gradient[name] and self._placement.mesh[axis].devices > 1
            return Transition.SPREAD if spreads else None
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
        """Several layers that need the same of a tensor share one exchange."""
        key = (name, axis, part, partial, halo)
        if key not in self._made:
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
            self._made[key] = made
        return self._made[key]

    def _free_name(self, name: str) -> str:
        free, number = name, 1
        while free in self._names:
            number += 1
            free = f"{name}{number}"
        self._names.add(free)
        return free

    def _report(self, axis: int, layer: Layer, misfit: ShapeError) -> None:
        where = self._parts[axis][layer.statement]
        assert where.says is not None
        devices = self._placement.mesh[axis].devices
        if axis not in self.misfits:
            self.misfits[axis] = Diagnostic(
                misfit.code,
                f"`{layer.name}` {misfit.message}",
                where.says.span,
                f"among the {devices} devices of `{self._placement.mesh[axis].name}`",
                (Label(layer.span, "this layer"), Label(self._placement.mesh[axis].span, f"{devices} devices")),
                misfit.help,
            )

    def _cannot_order(self, reader: Layer) -> Diagnostic:
        return Diagnostic(
            "E0406",
            f"two axes cut the same of what `{reader.name}` reads, and only the outer one changes there",
            self._placement.span,
            others=(Label(reader.span, "reads it otherwise than it is made"),),
            help="name the axes of the mesh in the other order: the one that changes last",
        )
