"""The plan of a training step on a mesh: what each device holds, computes and sends."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Literal

from ..graph.graph import Graph
from ..net.expanded_parts import attribute_of
from ..net.net import Axis, Placement, Split
from ..recipe.steps import Adam, AdamW, Optimizer
from .placed_graph import Collective, Exchange, Layout, PlacedGraph, PlacedLayer, Transition

Phase = Literal["forward", "backward", "gradients"]
_ALIASES = (Transition.SPREAD, Transition.KEEP_ON)  # their output needs no memory of its own
_HALF_BYTES = 2  # of a number of float16
_MOST_COUNTS = 100_000  # nodes times groups of equal devices: a few seconds
PASSES = 3  # forward, and twice backward: the gradients of the inputs, and those of the weights


@dataclass(frozen=True)
class Message:
    """The part of one device in one collective.

    Attributes:
        phase: when it happens.
        collective: the kind of collective.
        axes: the axes whose devices take part.
        statement: the statement of the spec that needs it.
        layer: the layer that reads the tensor, or whose gradients are summed.
        exchange: the name of the exchange; "" for statistics and gradients.
        handed: bytes of the tensor that this device passes to the collective.
        sent: bytes that this device sends, if nothing is sent twice.
    """

    phase: Phase
    collective: Collective
    axes: tuple[str, ...]
    statement: str
    layer: str
    exchange: str
    handed: int
    sent: int


@dataclass(frozen=True)
class Device:
    """A group of devices that hold, compute and send the same amounts.

    Attributes:
        number: the number of the first device.
        count: the number of devices.
        parameters: weights and biases per device.
        activations: numbers that the forward pass computes per device.
        multiply_adds: multiply-adds of the forward pass per device, for all its images.
        messages: the collectives of a step; those of the backward pass start at the last layer.
    """

    number: int
    count: int
    parameters: int
    activations: int
    multiply_adds: int
    messages: tuple[Message, ...]

    def sent(self, phase: Phase | None = None, statement: str | None = None) -> int:
        """Bytes that each device sends in a step, or only in one phase, or only for one statement of the spec."""
        return sum(
            each.sent
            for each in self.messages
            if phase in (None, each.phase) and (statement is None or each.statement == statement)
        )


@dataclass(frozen=True)
class Plan:
    """A training step on a mesh.

    Attributes:
        placed: the network on the mesh.
        batch: the batch size, over all devices.
        value_bytes: bytes per number.
        velocities: numbers that the optimiser keeps per parameter.
        devices: the groups of equal devices.
    """

    placed: PlacedGraph
    batch: int
    value_bytes: int
    velocities: int
    devices: tuple[Device, ...]

    def memory(self, device: Device) -> int:
        """Bytes of weights, gradients, optimiser state and activations."""
        return (device.parameters * (2 + self.velocities) + device.activations) * self.value_bytes

    def busiest(self) -> Device:
        """The device that sends the most bytes."""
        return max(self.devices, key=lambda device: (device.sent(), -device.number))

    def bytes_per_thousand(self) -> float:
        """Bytes sent per 1,000 multiply-adds of a step, on the device that sends the most."""
        device = self.busiest()
        return 1000 * device.sent() / max(1, PASSES * device.multiply_adds)

    def work(self) -> float:
        """The multiply-adds of all devices, divided by those of a single device."""
        total = sum(device.multiply_adds * device.count for device in self.devices)
        return total / max(1, self.placed.graph.multiply_adds * self.batch)


class UnevenBatch(Exception):  # noqa: N818 - the user's batch is uneven
    """The batch size is not divisible by `devices`, the number of devices that split the images."""

    def __init__(self, devices: int) -> None:
        super().__init__(devices)
        self.devices = devices


class TooManyDifferences(Exception):  # noqa: N818 - it reports a placement, not an error in the program
    """The mesh has `groups` groups of devices that differ, too many to count each layer on each of them."""

    def __init__(self, groups: int) -> None:
        super().__init__(groups)
        self.groups = groups


def plan(placed: PlacedGraph, batch: int, value_bytes: int) -> Plan:
    """Plan a training step.

    Args:
        placed: the network on a mesh.
        batch: the batch size, over all devices.
        value_bytes: bytes per number.

    Raises:
        UnevenBatch: the batch size is not divisible by the number of devices that split the images.
        TooManyDifferences: counting would take too long.
    """
    layouts = {placed.input, placed.loss, *(each.layout for each in placed.layers())}
    for parts in sorted(placed.parts(layout, "images") for layout in layouts):
        if batch % parts:
            raise UnevenBatch(parts)
    optimizer = placed.graph.net.recipe.optimizer if placed.graph.net.recipe else None
    velocities = _velocities(optimizer) if optimizer is not None else 0
    counter, groups = _Counter(placed, batch, value_bytes), list(_groups(placed))
    if len(groups) * len(placed.nodes) > _MOST_COUNTS:
        raise TooManyDifferences(len(groups))
    devices = tuple(counter.device(coordinates, count) for coordinates, count in groups)
    return Plan(placed, batch, value_bytes, velocities, devices)


def _velocities(optimizer: Optimizer) -> int:
    """The number of tensors that an optimiser keeps per weight tensor, each of the same size."""
    if isinstance(optimizer, Adam | AdamW):
        return 2
    return 1 if optimizer.momentum else 0


def _groups(placed: PlacedGraph) -> Iterator[tuple[tuple[int, ...], int]]:
    """The coordinates of one device of each group, and the number of devices in the group.

    On an axis, a device with a layer that is kept there is a group of its own. So are the first and the last device of
    an axis with halos, which have only one neighbour. All others are one group.
    """
    choices: list[list[tuple[int, int]]] = []
    for number, axis in enumerate(placed.mesh):
        single = {part for node in placed.layers() if isinstance(part := node.layout[number], int)}
        if any(each.transition is Transition.WITH_HALO and each.axis == number for each in placed.exchanges()):
            single |= {0, axis.devices - 1}
        rest = [index for index in range(min(axis.devices, len(single) + 1)) if index not in single][:1]
        others = [(index, axis.devices - len(single)) for index in rest]
        choices.append(sorted([(index, 1) for index in single] + others))
    for chosen in product(*choices):
        yield tuple(index for index, _ in chosen), prod(count for _, count in chosen)


class _Counter:
    """Counts what a device holds, computes and sends."""

    def __init__(self, placed: PlacedGraph, batch: int, value_bytes: int) -> None:
        self._placed, self._batch, self._bytes = placed, batch, value_bytes
        self._sent_bytes = min(value_bytes, _HALF_BYTES) if placed.placement.half else value_bytes  # of an exchange

    def device(self, coordinates: tuple[int, ...], count: int) -> Device:
        placed = self._placed
        number = 0
        for index, axis in zip(coordinates, placed.mesh, strict=True):
            number = number * axis.devices + index
        parameters = activations = multiply_adds = 0
        for node in placed.layers():
            if placed.is_held(node.layout, coordinates):
                images = self._images(node.layout)
                parameters += node.local.weight_count + node.local.bias_count
                activations += node.local.output.values * images * (not node.local.layer.kind.alias)
                multiply_adds += node.local.multiply_adds * images
        for exchange in placed.exchanges():
            if placed.is_held(exchange.after, coordinates) and exchange.transition not in _ALIASES:
                activations += placed.after(exchange).values * self._images(exchange.after)
        messages = (*self._activations(coordinates), *self._gradients(coordinates))
        return Device(number, count, parameters, activations, multiply_adds, messages)

    def _activations(self, coordinates: tuple[int, ...]) -> list[Message]:
        """The collectives of the exchanges and of shared statistics."""
        forward: list[Message] = []
        backward: list[Message] = []
        has_gradient: dict[str | None, bool] = {None: False}
        for node in self._placed.nodes:
            if isinstance(node, Exchange):
                has_gradient[node.name] = node.has_gradient
                transition = node.transition
                if transition.forward is not None:
                    forward.append(self._message(node, coordinates, "forward", transition.forward))
                if transition.backward is not None and node.has_gradient:
                    backward.append(self._message(node, coordinates, "backward", transition.backward))
            else:
                inputs = any(has_gradient[name] for name in node.local.layer.inputs)
                has_gradient[node.local.layer.name] = inputs or node.whole.weights is not None
                if self._placed.is_held(node.layout, coordinates):
                    gathered, scattered = self._statistics(node, inputs)
                    forward += gathered
                    backward += scattered
        return forward + backward[::-1]

    def _message(
        self, exchange: Exchange, coordinates: tuple[int, ...], phase: Phase, collective: Collective
    ) -> Message:
        axis = self._placed.mesh[exchange.axis]
        handed, sent = self._sizes(exchange, coordinates, phase, collective)
        # A tensor that one device of another axis holds is passed to the collective only there.
        held = self._placed.is_held(_whole_on_axis(exchange), coordinates)
        return Message(
            phase,
            collective,
            (axis.name,),
            exchange.statement,
            exchange.reader,
            exchange.name,
            handed * held,
            sent * held,
        )

    def _sizes(
        self, exchange: Exchange, coordinates: tuple[int, ...], phase: Phase, collective: Collective
    ) -> tuple[int, int]:
        """Bytes passed to the collective, and bytes sent, as in the table in docs/placement.md."""
        index, devices = coordinates[exchange.axis], self._placed.mesh[exchange.axis].devices
        if exchange.transition is Transition.WITH_HALO:
            one_map = prod(exchange.shape.sizes[1:]) * self._images(exchange.before) * self._sent_bytes
            below, above = exchange.halo if phase == "forward" else exchange.halo[::-1]
            maps = (above if index > 0 else 0) + (below if index < devices - 1 else 0)
            return maps * one_map, maps * one_map
        whole = _whole_on_axis(exchange)
        n = self._placed.local_shape(exchange.shape, whole).values * self._images(whole) * self._sent_bytes
        before, after = exchange.before[exchange.axis], exchange.after[exchange.axis]
        one = after if isinstance(after, int) else before  # the device, if the tensor is on a single one
        match collective:
            case "all-gather":
                return n // devices, n * (devices - 1) // devices
            case "reduce-scatter":
                return n, n * (devices - 1) // devices
            case "all-reduce":
                return n, 2 * n * (devices - 1) // devices
            case "all-to-all":
                return n // devices, n * (devices - 1) // devices**2
            case "gather":
                return n // devices, n // devices * (index != one)
            case "scatter":
                return n * (index == one), n * (devices - 1) // devices * (index == one)
            case "broadcast":
                return n * devices * (index == one), n * (devices - 1) * (index == one)
            case "reduce":
                return n, n * (index != one)
            case "send":
                source = before if phase == "forward" else after
                return n * (index == source), n * (index == source)

    def _statistics(self, node: PlacedLayer, has_gradient: bool) -> tuple[list[Message], list[Message]]:
        """Batch statistics where images are split: gathered over the innermost axis first; their gradients go back."""
        numbers = node.whole.layer.kind.shared_statistics * node.local.output.channels * self._bytes
        forward: list[Message] = []
        backward: list[Message] = []
        for axis in [each for each, part in zip(self._placed.mesh, node.layout, strict=True) if part == "images"][::-1]:
            if numbers:
                where = ((axis.name,), node.whole.layer.statement, node.whole.layer.name, "")
                sent = numbers * (axis.devices - 1)
                forward.append(Message("forward", "all-gather", *where, numbers, sent))
                if has_gradient:
                    backward.append(Message("backward", "reduce-scatter", *where, numbers * axis.devices, sent))
        return forward, backward

    def _gradients(self, coordinates: tuple[int, ...]) -> list[Message]:
        """The sums of the weight gradients, per layer; the runtime joins those over the same axes into buckets."""
        messages = []
        for node in self._placed.layers():
            if node.summed and self._placed.is_held(node.weights, coordinates):
                size = (node.local.weight_count + node.local.bias_count) * self._bytes
                devices = prod(self._placed.mesh[axis].devices for axis in node.summed)
                names = tuple(self._placed.mesh[axis].name for axis in node.summed)
                layer = node.whole.layer
                sent = 2 * size * (devices - 1) // devices
                messages.append(Message("gradients", "all-reduce", names, layer.statement, layer.name, "", size, sent))
        return messages

    def _images(self, layout: Layout) -> int:
        return self._batch // self._placed.parts(layout, "images")


def messages_of(placed: PlacedGraph, device: int, batch: int, value_bytes: int) -> tuple[Message, ...]:
    """The collectives of a step on the device with this number."""
    return _Counter(placed, batch, value_bytes).device(placed.coordinates(device), 1).messages


def data_parallel(graph: Graph, devices: int) -> Placement:
    """Data parallelism as a placement, for comparison: each device has all weights and a share of the images."""
    span, layers = graph.net.name_span, {attribute_of(node.layer.name) for node in graph.nodes}
    names = ["copy", *(f"copy{number}" for number in range(len(layers)))]
    axis = next(name for name in names if name not in layers)
    return Placement("copies", span, (Axis(axis, devices, span),), (Split("images", axis, None, span),), ())


def _whole_on_axis(exchange: Exchange) -> Layout:
    """The layout before an exchange, with the whole tensor on each device of its axis."""
    return tuple("whole" if number == exchange.axis else part for number, part in enumerate(exchange.before))
