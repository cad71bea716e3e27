"""The result of `Net.plan`, and the tables of `alexc plan`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal, get_args

from alexc.compiler.graph.graph import Graph
from alexc.compiler.placed_graph import plan as planning
from alexc.compiler.placed_graph.place import place
from alexc.compiler.placed_graph.placed_graph import Exchange, PlacedGraph
from alexc.compiler.placed_graph.plan import PASSES, Device, Message, TooManyDifferences, UnevenBatch, data_parallel

from .printable import shell_line
from .spec_error import SpecError
from .table import Table, filled, page_html, page_text, wrapped

Dtype = Literal["float32", "bfloat16", "float64"]
_VALUE_BYTES: dict[Dtype, int] = {"float32": 4, "bfloat16": 2, "float64": 8}
_DEFAULT_BATCH = 128
_LONGEST_LINE = 105  # of a note; tables can be wider
_COMPARED = (
    "parameters, memory, multiply-adds: the largest value of any device. Memory holds weights, gradients, velocities "
    "and activations; multiply-adds are those of one forward pass.",
    "work: multiply-adds of all devices, as a multiple of those of one device.",
    "sent, B per 1,000, most for: what the device that sends most sends per step, in MB and in bytes per 1,000 "
    "multiply-adds of the step (three forward passes), and the layer that most of it is sent for.",
)


@dataclass(frozen=True, repr=False)
class Plan(planning.Plan):
    """What each device of a placement stores, computes and sends in a training step; prints as `alexc plan` does.

    Attributes:
        dtype: the type of all values.
    """

    dtype: Dtype

    @property
    def bytes_sent(self) -> int:
        """Bytes that the device that sends most sends per step."""
        return self.busiest().sent()

    @property
    def title(self) -> str:
        """The step that was counted."""
        return f"a training step of {self.batch:,} images in {self.dtype}"

    def __str__(self) -> str:
        return self.text()

    __repr__ = __str__

    def text(self, width: int | None = None) -> str:
        """The text of `alexc plan`; for a terminal of `width` columns, with the columns that fit."""
        return page_text(self.parts(width), width)

    def _repr_html_(self) -> str:
        return page_html(self.parts(None))

    def parts(self, width: int | None = None) -> list[str | Table]:
        """The paragraphs and the tables of `alexc plan`; paragraphs are wrapped at `width` columns."""
        devices = "1 device" if self.placed.devices == 1 else f"{self.placed.devices} devices"
        busiest = self.busiest()
        parts: list[str | Table] = [
            filled(f"{self.placed.graph.net.name} on {devices}, {_mesh(self.placed)}: {self.title}", width),
            _device_table(self),
        ]
        exchanges = _exchange_table(self)
        if len(exchanges.rows) > 1:
            parts.append(exchanges)
            if len(self.devices) > 1:
                parts.append(filled("Sizes are those of the device that reads or sends most.", width))
        note = "B per 1,000: bytes sent per 1,000 multiply-adds of a step. A step costs three forward passes."
        parts += [_layer_table(self, busiest), _note(note, width)]
        sent = [f"forward {_megabytes(busiest.sent('forward'))}", f"backward {_megabytes(busiest.sent('backward'))}"]
        sent += [f"gradients {_megabytes(busiest.sent('gradients'))}"] if busiest.sent("gradients") else []
        sender = "per device" if len(self.devices) == 1 else f"by device {busiest.number}, which sends most"
        total = f"{_megabytes(busiest.sent())} MB sent per step {sender}: {', '.join(sent)}"
        return [*parts, filled(total, width)]


@dataclass(frozen=True, repr=False)
class Plans:
    """The plans of all placements of a spec, side by side; prints as `alexc plan` without --placement does.

    Attributes:
        graph: the network.
        by_name: the plan of each placement by its name. `one device`, and the images split over as many devices as a
            placement has, are there to compare with.
        spec: the name of the spec.
    """

    graph: Graph
    by_name: Mapping[str, Plan]
    spec: str

    def __getitem__(self, name: str) -> Plan:
        return self.by_name[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.by_name)

    def __len__(self) -> int:
        return len(self.by_name)

    def __str__(self) -> str:
        return self.text()

    __repr__ = __str__

    def text(self, width: int | None = None) -> str:
        """The text of `alexc plan`; for a terminal of `width` columns, with the columns that fit."""
        first = next(iter(self))
        command = shell_line("alexc", "plan", self.spec, "--placement", first)
        return page_text([*self._parts(width), f"To see one in full: {command}"], width)

    def _repr_html_(self) -> str:
        return page_html(self._parts(None))

    def _parts(self, width: int | None) -> list[str | Table]:
        plan = next(iter(self.by_name.values()))
        title, notes = f"{self.graph.net.name}: {plan.title}", [_note(note, width) for note in _COMPARED]
        return [title, _placement_table(self.graph, self.by_name), "\n".join(notes)]


def make_plans(graph: Graph, placed: Mapping[str, PlacedGraph], spec: str, batch: int, dtype: Dtype) -> Plans:
    """Plan all placements, and what to compare them with.

    Raises:
        SpecError: the spec has no placement, or one of them has no plan.
    """
    if not placed:
        raise SpecError(f"{spec}: has no placement; add one: `placement two_gpus {{ … }}`")
    plans = {name: make_plan(each, batch, dtype) for name, each in placed.items()}
    return Plans(graph, plans | _baselines(graph, plans, batch, dtype), spec)


def _baselines(graph: Graph, plans: Mapping[str, Plan], batch: int, dtype: Dtype) -> dict[str, Plan]:
    """Plans to compare with: one device, and data parallelism on as many devices as each placement has.

    A number of devices that does not divide the batch is left out.
    """
    found: dict[str, Plan] = {}
    for devices in sorted({1, *(plan.placed.devices for plan in plans.values())}):
        placed, _ = place(graph, data_parallel(graph, devices))
        if placed is not None and batch % devices == 0:
            name = "one device" if devices == 1 else f"images over {devices}"
            found[name] = make_plan(placed, batch, dtype)
    return found


def make_plan(placed: PlacedGraph, batch: int, dtype: Dtype) -> Plan:
    """Count a training step.

    Raises:
        SpecError: the devices cannot share the batch evenly, too many of them differ, or `dtype` is unknown.
    """
    if dtype not in _VALUE_BYTES:
        raise SpecError(f"dtype {dtype!r}: expected one of {', '.join(get_args(Dtype))}")
    try:
        return Plan(**vars(planning.plan(placed, batch, _VALUE_BYTES[dtype])), dtype=dtype)
    except UnevenBatch as uneven:
        raise SpecError(
            f"batch {batch}: the {uneven.devices} devices of {placed.placement.name} that split the images cannot "
            f"share it evenly; give a multiple of {uneven.devices}"
        ) from None
    except TooManyDifferences as many:
        raise SpecError(
            f"{placed.placement.name} has {many.groups:,} devices that differ from each other: too many to plan; "
            "keep fewer layers on single devices"
        ) from None


def default_batch(graph: Graph) -> int:
    """The batch size of the recipe, or 128 if there is no recipe."""
    return graph.net.recipe.batch if graph.net.recipe else _DEFAULT_BATCH


def _placement_table(graph: Graph, plans: Mapping[str, Plan]) -> Table:
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
    for name, plan in plans.items():
        largest = max(plan.devices, key=plan.memory)
        device = plan.busiest()
        rows.append(
            (
                name,
                str(plan.placed.devices),
                _mesh(plan.placed) if name in own else "",
                f"{max(each.parameters for each in plan.devices):,}",
                _megabytes(plan.memory(largest)),
                f"{max(each.multiply_adds for each in plan.devices):,}",
                f"{plan.work():.2f}",
                _megabytes(device.sent()),
                f"{plan.bytes_per_thousand():.2f}",
                _sent_most_for(device),
            )
        )
    return Table(rows, set(header[1:2] + header[3:-1]), ("work", "most for", "mesh", "parameters", "devices"))


def _sent_most_for(device: Device) -> str:
    """The line of the spec that most bytes are sent for, and its megabytes."""
    by_line: dict[str, int] = {}
    for message in device.messages:
        by_line[message.statement] = by_line.get(message.statement, 0) + message.sent
    line = max(by_line, key=lambda each: by_line[each], default="")
    return f"{line} {_megabytes(by_line[line])}" if line else ""


def _note(text: str, width: int | None) -> str:
    return "\n".join(wrapped(text, min(width or _LONGEST_LINE, _LONGEST_LINE)))


def _device_table(plan: Plan) -> Table:
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
    whole = plan.placed.graph.multiply_adds * plan.batch
    for device in plan.devices:
        weights = device.parameters * plan.value_bytes
        rows.append(
            (
                _numbers(plan, device),
                f"{device.parameters:,}",
                _megabytes(weights),
                _megabytes(weights),
                _megabytes(weights * plan.velocities),
                _megabytes(device.activations * plan.value_bytes),
                f"{device.multiply_adds:,}",
                f"{100 * device.multiply_adds / max(1, whole):.1f} %",
            )
        )
    return Table(rows, set(header[1:]), ("share", "gradients MB", "velocities MB", "parameters"))


def _numbers(plan: Plan, device: Device) -> str:
    """The number of a device, or of all devices like it."""
    if device.count == 1:
        return str(device.number)
    if len(plan.devices) == 1:
        return f"0-{plan.placed.devices - 1}"
    return f"{device.number} and {device.count - 1} like it"


def _exchange_table(plan: Plan) -> Table:
    header = ("reader", "reads", "over", "forward", "backward", "values", "MB forward", "MB backward")
    rows: list[Sequence[str]] = [header]
    placed = plan.placed
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
                _most_sent(plan, exchange, "forward"),
                _most_sent(plan, exchange, "backward"),
            )
        )
    messages = plan.busiest().messages
    for message in messages:
        if not message.exchange and message.phase == "forward":
            sent = _megabytes(message.sent)
            over = _over(message, placed)
            rows.append((message.layer, "statistics", over, message.collective, "reduce-scatter", "", sent, sent))
    for over in dict.fromkeys(_over(each, placed) for each in messages if each.phase == "gradients"):
        summed = [each for each in messages if each.phase == "gradients" and _over(each, placed) == over]
        values = sum(each.handed for each in summed) // plan.value_bytes
        layers = f"{summed[0].layer}…{summed[-1].layer}" if len(summed) > 1 else summed[0].layer
        sent = _megabytes(sum(each.sent for each in summed))
        rows.append(("gradients", layers, over, "-", "all-reduce", f"{values:,}", "-", sent))
    return Table(rows, {"values", "MB forward", "MB backward"}, ("values", "over", "backward", "forward"))


def _source(exchange: Exchange, placed: PlacedGraph) -> str:
    """The layer whose output an exchange moves; exchanges in between are skipped."""
    sources = {each.name: each.reads for each in placed.exchanges()}
    name = exchange.reads
    while name in sources:
        name = sources[name]
    return name or "the images"


def _most_sent(plan: Plan, exchange: Exchange, phase: str) -> str:
    """Megabytes that the device that sends most sends in this exchange."""
    sizes = [
        message.sent
        for device in plan.devices
        for message in device.messages
        if (message.phase, message.exchange) == (phase, exchange.name)
    ]
    return _megabytes(max(sizes)) if sizes else "-"


def _over(message: Message, placed: PlacedGraph) -> str:
    return " ".join(f"{axis.name}={axis.devices}" for axis in placed.mesh if axis.name in message.axes)


def _layer_table(plan: Plan, device: Device) -> Table:
    header = ("layer", "multiply-adds", "MB sent", "B per 1,000")
    rows: list[Sequence[str]] = [header]
    place = plan.placed.coordinates(device.number)
    work: dict[str, int] = {}
    for node in plan.placed.layers():
        images = plan.batch // plan.placed.parts(node.layout, "images")
        done = node.local.multiply_adds * images if plan.placed.is_held(node.layout, place) else 0
        work[node.whole.layer.statement] = work.get(node.whole.layer.statement, 0) + done
    for statement, done in work.items():
        sent = device.sent(statement=statement)
        rows.append((statement, f"{done:,}", _megabytes(sent), _ratio(sent, done)))
    total = device.sent()
    rows.append(("total", f"{device.multiply_adds:,}", _megabytes(total), _ratio(total, device.multiply_adds)))
    return Table(rows, set(header[1:]))


def _ratio(sent: int, multiply_adds: int) -> str:
    return f"{1000 * sent / (PASSES * multiply_adds):.2f}" if multiply_adds else "-"


def _mesh(placed: PlacedGraph) -> str:
    return " ".join(f"{axis.name}={axis.devices}" for axis in placed.mesh)


def _megabytes(size: int) -> str:
    if 0 < size < 5000:
        return "<0.01"
    return f"{size / 1e6:,.2f}" if size else "-"


def as_json(plan: Plan) -> dict[str, object]:
    """A plan with all its messages, for JSON."""
    placed = plan.placed
    return {
        "network": placed.graph.net.name,
        "placement": placed.placement.name,
        "mesh": {axis.name: axis.devices for axis in placed.mesh},
        "batch": plan.batch,
        "value_bytes": plan.value_bytes,
        "devices": [
            {
                "device": device.number,
                "alike": device.count,
                "parameters": device.parameters,
                "weight_bytes": device.parameters * plan.value_bytes,
                "gradient_bytes": device.parameters * plan.value_bytes,
                "optimizer_bytes": device.parameters * plan.velocities * plan.value_bytes,
                "activation_bytes": device.activations * plan.value_bytes,
                "multiply_adds": device.multiply_adds,
                "bytes_sent": device.sent(),
                "messages": [asdict(message) for message in device.messages],
            }
            for device in plan.devices
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
        "bytes_per_thousand_multiply_adds": plan.bytes_per_thousand(),
        "work": plan.work(),
    }
