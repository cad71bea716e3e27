"""What `Net.plan` returns, and the tables of `alexc plan`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal, get_args

from alexc.compiler.graph.graph import Graph
from alexc.compiler.placed_graph.placed_graph import Exchange, PlacedGraph
from alexc.compiler.placed_graph.plan import PASSES, Device, Message, Plan, UnevenBatch, plan

from .spec_error import SpecError
from .table import aligned

Dtype = Literal["float32", "bfloat16", "float64"]
_VALUE_BYTES: dict[Dtype, int] = {"float32": 4, "bfloat16": 2, "float64": 8}
_DEFAULT_BATCH = 128


@dataclass(frozen=True, repr=False)
class StepPlan:
    """What each device of a placement holds, computes and sends in a training step; prints as `alexc plan` does.

    Attributes:
        counts: the numbers: `devices`, each with `parameters`, `activations`, `multiply_adds` and `messages`; `batch`.
        dtype: the type of all numbers.
    """

    counts: Plan
    dtype: Dtype

    @property
    def bytes_sent(self) -> int:
        """What the device that sends most sends in a step."""
        return self.counts.busiest().sent()

    def __str__(self) -> str:
        return "\n".join(_in_full(self.counts, in_words(self.counts.batch, self.dtype)))

    __repr__ = __str__


def planned(placed: PlacedGraph, batch: int, dtype: Dtype) -> Plan:
    """Count a training step.

    Raises:
        SpecError: the devices cannot share the batch evenly, or there is no such type of numbers.
    """
    if dtype not in _VALUE_BYTES:
        raise SpecError(f"dtype {dtype!r}: expected one of {', '.join(get_args(Dtype))}")
    try:
        return plan(placed, batch, _VALUE_BYTES[dtype])
    except UnevenBatch as uneven:
        raise SpecError(
            f"batch {batch}: the {uneven.devices} devices of {placed.placement.name} that split the images cannot "
            f"share it evenly; give a multiple of {uneven.devices}"
        ) from None


def batch_of(graph: Graph) -> int:
    """The images of a step where nothing else is asked for."""
    return graph.net.recipe.batch if graph.net.recipe else _DEFAULT_BATCH


def in_words(batch: int, dtype: Dtype) -> str:
    """What a plan counts."""
    return f"a training step of {batch:,} images in {dtype}"


def side_by_side(graph: Graph, plans: Mapping[str, Plan], step: str, spec: str) -> list[str]:
    """Several plans of one network, a row each; `step` says what is counted, `spec` is how the user calls the file."""
    header = (
        "placement",
        "devices",
        "mesh",
        "parameters",
        "memory MB",
        "multiply-adds",
        "work",
        "sent MB",
        "B per 1,000",
        "most for",
    )
    rows: list[Sequence[str]] = [header]
    own = {placement.name for placement in graph.net.placements}
    for name, made in plans.items():
        largest = max(made.devices, key=made.memory)
        device = made.busiest()
        rows.append(
            (
                name,
                str(made.placed.devices),
                _mesh(made.placed) if name in own else "",
                f"{max(each.parameters for each in made.devices):,}",
                _megabytes(made.memory(largest)),
                f"{max(each.multiply_adds for each in made.devices):,}",
                f"{made.work():.2f}",
                _megabytes(device.sent()),
                f"{made.bytes_per_thousand():.2f}",
                _largest(device),
            )
        )
    detail = f"alexc plan {spec} --placement {next(iter(plans))}"
    return [
        f"{graph.net.name}: {step}",
        "",
        *aligned(rows, set(header[1:2] + header[3:-1])),
        "",
        "Of the device that has most: parameters; memory of weights, gradients, velocities and activations;",
        "multiply-adds of a forward pass; what it sends in a step, also in bytes for 1,000 multiply-adds of the step.",
        "A step is three forward passes. work: multiply-adds of all devices, as a multiple of one device's.",
        "",
        f"One in full: {detail}",
    ]


def _largest(device: Device) -> str:
    """The line of the spec that most bytes are sent for, and how many of them."""
    by_line: dict[str, int] = {}
    for message in device.messages:
        by_line[message.statement] = by_line.get(message.statement, 0) + message.sent
    line = max(by_line, key=lambda each: by_line[each], default="")
    return f"{line} {_megabytes(by_line[line])}" if line else ""


def _in_full(made: Plan, step: str) -> list[str]:
    placed = made.placed
    devices = "1 device" if placed.devices == 1 else f"{placed.devices} devices"
    device = made.busiest()
    lines = [f"{placed.graph.net.name} on {devices}, {_mesh(placed)}: {step}", "", *_device_table(made), ""]
    exchanges = _exchange_table(made)
    if len(exchanges) > 1:
        lines += [*exchanges, ""]
        if len(made.devices) > 1:
            lines += ["Sizes are those of the device that gives or sends most.", ""]
    lines += [*_layer_table(made, device), ""]
    lines += ["B per 1,000: bytes sent for 1,000 multiply-adds of a step, which is three forward passes.", ""]
    sent = [f"forward {_megabytes(device.sent('forward'))}", f"backward {_megabytes(device.sent('backward'))}"]
    sent += [f"gradients {_megabytes(device.sent('gradients'))}"] if device.sent("gradients") else []
    whose = "a device and step" if len(made.devices) == 1 else f"a step by device {device.number}, which sends most"
    lines.append(f"{_megabytes(device.sent())} MB sent {whose}: {', '.join(sent)}")
    return lines


def _device_table(made: Plan) -> list[str]:
    header = (
        "device",
        "parameters",
        "weights MB",
        "gradients MB",
        "velocities MB",
        "activations MB",
        "multiply-adds",
        "share",
    )
    rows: list[Sequence[str]] = [header]
    whole = made.placed.graph.multiply_adds * made.batch
    for device in made.devices:
        weights = device.parameters * made.value_bytes
        rows.append(
            (
                _numbers(made, device),
                f"{device.parameters:,}",
                _megabytes(weights),
                _megabytes(weights),
                _megabytes(weights * made.velocities),
                _megabytes(device.activations * made.value_bytes),
                f"{device.multiply_adds:,}",
                f"{100 * device.multiply_adds / max(1, whole):.1f} %",
            )
        )
    return aligned(rows, set(header[1:]))


def _numbers(made: Plan, device: Device) -> str:
    """The number of a device, or those of all that are alike."""
    if device.count == 1:
        return str(device.number)
    if len(made.devices) == 1:
        return f"0-{made.placed.devices - 1}"
    return f"{device.number} and {device.count - 1} like it"


def _exchange_table(made: Plan) -> list[str]:
    header = ("reader", "reads", "over", "forward", "backward", "values", "MB forward", "MB backward")
    rows: list[Sequence[str]] = [header]
    placed = made.placed
    in_loss = {head.layer.name for head in placed.graph.heads}
    for exchange in placed.exchanges():
        axis = placed.mesh[exchange.axis]
        given = placed.local_shape(exchange.shape, exchange.before).values
        if any(exchange.halo):
            given = given // placed.local_shape(exchange.shape, exchange.before).channels * sum(exchange.halo)
        rows.append(
            (
                "the loss" if exchange.reader in in_loss else exchange.reader,
                _source(exchange, placed),
                f"{axis.name}={axis.devices}",
                exchange.transition.forward or "-",
                (exchange.transition.backward or "-") if exchange.has_gradient else "-",
                f"{given:,}",
                _most(made, exchange, "forward"),
                _most(made, exchange, "backward"),
            )
        )
    messages = made.busiest().messages
    for message in messages:
        if not message.exchange and message.phase == "forward":
            sent = _megabytes(message.sent)
            over = _over(message, placed)
            rows.append((message.layer, "statistics", over, message.collective, "reduce-scatter", "", sent, sent))
    for over in dict.fromkeys(_over(each, placed) for each in messages if each.phase == "gradients"):
        summed = [each for each in messages if each.phase == "gradients" and _over(each, placed) == over]
        values = sum(each.handed for each in summed) // made.value_bytes
        layers = f"{summed[0].layer}…{summed[-1].layer}" if len(summed) > 1 else summed[0].layer
        sent = _megabytes(sum(each.sent for each in summed))
        rows.append(("gradients", layers, over, "-", "all-reduce", f"{values:,}", "-", sent))
    return aligned(rows, {"values", "MB forward", "MB backward"})


def _source(exchange: Exchange, placed: PlacedGraph) -> str:
    """The layer whose output an exchange moves, seen through other exchanges."""
    sources = {each.name: each.reads for each in placed.exchanges()}
    name = exchange.reads
    while name in sources:
        name = sources[name]
    return name or "the images"


def _most(made: Plan, exchange: Exchange, phase: str) -> str:
    """What the device that sends most in this exchange does."""
    sizes = [
        message.sent
        for device in made.devices
        for message in device.messages
        if (message.phase, message.exchange) == (phase, exchange.name)
    ]
    return _megabytes(max(sizes)) if sizes else "-"


def _over(message: Message, placed: PlacedGraph) -> str:
    return " ".join(f"{axis.name}={axis.devices}" for axis in placed.mesh if axis.name in message.axes)


def _layer_table(made: Plan, device: Device) -> list[str]:
    header = ("layer", "multiply-adds", "MB sent", "B per 1,000")
    rows: list[Sequence[str]] = [header]
    place = made.placed.coordinates(device.number)
    work: dict[str, int] = {}
    for node in made.placed.layers():
        images = made.batch // made.placed.parts(node.layout, "images")
        done = node.local.multiply_adds * images if made.placed.is_held(node.layout, place) else 0
        work[node.whole.layer.statement] = work.get(node.whole.layer.statement, 0) + done
    for statement, done in work.items():
        sent = device.sent(statement=statement)
        rows.append((statement, f"{done:,}", _megabytes(sent), _ratio(sent, done)))
    total = device.sent()
    rows.append(("total", f"{device.multiply_adds:,}", _megabytes(total), _ratio(total, device.multiply_adds)))
    return aligned(rows, set(header[1:]))


def _ratio(sent: int, multiply_adds: int) -> str:
    return f"{1000 * sent / (PASSES * multiply_adds):.2f}" if multiply_adds else "-"


def _mesh(placed: PlacedGraph) -> str:
    return " ".join(f"{axis.name}={axis.devices}" for axis in placed.mesh)


def _megabytes(size: int) -> str:
    if 0 < size < 5000:
        return "<0.01"
    return f"{size / 1e6:,.2f}" if size else "-"


def as_json(made: Plan) -> dict[str, object]:
    """A plan with all its messages, as plain values."""
    placed = made.placed
    return {
        "network": placed.graph.net.name,
        "placement": placed.placement.name,
        "mesh": {axis.name: axis.devices for axis in placed.mesh},
        "batch": made.batch,
        "value_bytes": made.value_bytes,
        "devices": [
            {
                "device": device.number,
                "alike": device.count,
                "parameters": device.parameters,
                "weight_bytes": device.parameters * made.value_bytes,
                "gradient_bytes": device.parameters * made.value_bytes,
                "optimizer_bytes": device.parameters * made.velocities * made.value_bytes,
                "activation_bytes": device.activations * made.value_bytes,
                "multiply_adds": device.multiply_adds,
                "bytes_sent": device.sent(),
                "messages": [asdict(message) for message in device.messages],
            }
            for device in made.devices
        ],
        "exchanges": [
            {
                "exchange": exchange.name,
                "reader": exchange.reader,
                "reads": _source(exchange, placed),
                "transition": exchange.transition.function,
                "axis": placed.mesh[exchange.axis].name,
                "devices": placed.mesh[exchange.axis].devices,
                "values_per_image_and_device": placed.local_shape(exchange.shape, exchange.before).values,
            }
            for exchange in placed.exchanges()
        ],
        "bytes_per_thousand_multiply_adds": made.bytes_per_thousand(),
        "work": made.work(),
    }
