"""Each exchange by itself, between processes: values, the adjoint in the backward pass, compiled as one graph."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.nn.parallel import DistributedDataParallel

from alexc.runtime.layers.dropout import fix_masks
from alexc.runtime.parallel import exchange
from alexc.runtime.parallel.mesh import Axis, make_mesh
from tests.support.ranks import run_ranks
from tests.training.test_same_numbers import BATCH, FOUR_RANKS, OVER_ALL, batches, compiled, own_rows

pytestmark = pytest.mark.slow

N, C = 8, 12
TOLERANCE = {torch.float64: 1e-12, torch.bfloat16: 0.1}


@dataclass(frozen=True)
class Case:
    """An exchange between two layouts.

    `before` and `after` make this device's part of a whole tensor (N, C, 3, 3). `once` says of what goes in and of what
    comes out whether its gradient is the same on every device, and so counts once among them.
    """

    run: Callable[[Tensor, Axis], Tensor]
    before: Callable[[Tensor, Axis], Tensor]
    after: Callable[[Tensor, Axis], Tensor]
    once: tuple[bool, bool] = (False, False)


def cut(dim: int) -> Callable[[Tensor, Axis], Tensor]:
    return lambda x, axis: x.chunk(axis.devices, dim)[axis.index].clone()


def whole(x: Tensor, axis: Axis) -> Tensor:
    return x.clone()


def on(device: int) -> Callable[[Tensor, Axis], Tensor]:
    return lambda x, axis: x.clone() if axis.index == device else x[:0].clone()


def part_of_a_sum(x: Tensor, axis: Axis) -> Tensor:
    """Parts that add up to x."""
    return x * 2 * (axis.index + 1) / (axis.devices * (axis.devices + 1))


def with_neighbours(below: int, above: int) -> Callable[[Tensor, Axis], Tensor]:
    def take(x: Tensor, axis: Axis) -> Tensor:
        size = C // axis.devices
        padded = F.pad(x, (0, 0, 0, 0, below, above))
        return padded[:, axis.index * size : (axis.index + 1) * size + below + above].clone()

    return take


def cases() -> dict[str, Case]:
    found = {
        "spread": Case(exchange.spread, whole, whole, (True, False)),
        "all_reduce": Case(exchange.all_reduce, part_of_a_sum, whole, (False, True)),
        "images to channels": Case(lambda x, axis: exchange.all_to_all(x, axis, 1, 0), cut(0), cut(1)),
        "channels to images": Case(lambda x, axis: exchange.all_to_all(x, axis, 0, 1), cut(1), cut(0)),
        "broadcast": Case(lambda x, axis: exchange.broadcast(x, axis, 1, N), on(1), whole),
        "broadcast_whole": Case(lambda x, axis: exchange.broadcast_whole(x, axis, 1, N), on(1), whole, (False, True)),
        "keep_on": Case(lambda x, axis: exchange.keep_on(x, axis, 1), whole, on(1), (True, False)),
        "send": Case(lambda x, axis: exchange.send(x, axis, 1, 0, N), on(1), on(0)),
    }
    for below, above in ((2, 2), (1, 2), (3, 0), (0, 1)):
        found[f"with_halo {below} {above}"] = Case(
            lambda x, axis, below=below, above=above: exchange.with_halo(x, axis, below, above),  # type: ignore[misc]
            cut(1),
            with_neighbours(below, above),
        )
    for dim in (0, 1):
        more = {
            "all_gather": Case(lambda x, axis, dim=dim: exchange.all_gather(x, axis, dim), cut(dim), whole),  # type: ignore[misc]
            "all_gather_whole": Case(
                lambda x, axis, dim=dim: exchange.all_gather_whole(x, axis, dim),  # type: ignore[misc]
                cut(dim),
                whole,
                (False, True),
            ),
            "reduce_scatter": Case(
                lambda x, axis, dim=dim: exchange.reduce_scatter(x, axis, dim),  # type: ignore[misc]
                part_of_a_sum,
                cut(dim),
            ),
            "own_part": Case(
                lambda x, axis, dim=dim: exchange.own_part(x, axis, dim),  # type: ignore[misc]
                whole,
                cut(dim),
                (True, False),
            ),
            "gather": Case(lambda x, axis, dim=dim: exchange.gather(x, axis, dim, 1), cut(dim), on(1)),  # type: ignore[misc]
            "scatter": Case(
                lambda x, axis, dim=dim: exchange.scatter(x, axis, dim, 1, N),  # type: ignore[misc]
                on(1),
                cut(dim),
            ),
        }
        found |= {f"{name} {dim}": case for name, case in more.items()}
    return found


def random(seed: int, shape: torch.Size | tuple[int, ...], dtype: torch.dtype) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def over_devices(product: Tensor, once: bool, axis: Axis) -> float:
    """The sum over the devices of an axis; of what all of them have, that of the first."""
    value = product.double() * (axis.index == 0 or not once)
    dist.all_reduce(value, group=axis.group)
    return value.item()


def check_case(name: str, case: Case, axis: Axis, dtype: torch.dtype, memory: torch.memory_format) -> None:
    close = TOLERANCE[dtype]
    everything = random(0, (N, C, 3, 3), dtype)
    x = case.before(everything, axis).to(memory_format=memory).requires_grad_()
    y = case.run(x, axis)
    assert y.dtype == dtype, name
    torch.testing.assert_close(
        y, case.after(everything, axis), rtol=close, atol=close, msg=lambda why: f"{name}: {why}"
    )
    # A gradient that is intact is the same everywhere; any other is each device's own.
    gradient = random(1 if case.once[1] else 2 + axis.index, y.shape, dtype).requires_grad_()
    (back,) = torch.autograd.grad(y, x, gradient, create_graph=True)
    # The backward pass is linear in `gradient`, so its derivative along x is the exchange of x.
    (again,) = torch.autograd.grad(back, gradient, x.detach())
    torch.testing.assert_close(again, y.detach(), rtol=close, atol=close, msg=lambda why: f"{name}, twice: {why}")
    if dtype is torch.float64:
        there = over_devices((y.detach() * gradient.detach()).sum(), case.once[1], axis)
        returned = over_devices((x.detach() * back.detach()).sum(), case.once[0], axis)
        assert there == pytest.approx(returned, rel=1e-12), f"{name}: the backward pass is not the adjoint"


def check_compiled(name: str, case: Case, axis: Axis) -> None:
    torch.compiler.reset()
    everything = random(0, (N, C, 3, 3), torch.float64)
    results = []
    for run in (case.run, torch.compile(case.run, backend="aot_eager", fullgraph=True)):
        x = case.before(everything, axis).requires_grad_()
        y = run(x, axis)
        y.backward(random(1, y.shape, torch.float64))  # type: ignore[no-untyped-call]
        results.append((y.detach(), x.grad))
    assert all(map(torch.equal, *results)), name


def check_exchanges(shape: dict[str, int]) -> None:
    mesh = make_mesh(shape, "cpu")
    for name, case in cases().items():
        for axis in mesh.axes:
            for dtype in TOLERANCE:
                for memory in (torch.contiguous_format, torch.channels_last):
                    check_case(name, case, axis, dtype, memory)


def test_values_and_adjoints() -> None:
    run_ranks(2, check_exchanges, {"gpu": 2})
    run_ranks(4, check_exchanges, {"copy": 2, "tower": 2})


def test_values_and_adjoints_on_a_long_axis() -> None:
    run_ranks(4, check_exchanges, {"gpu": 4})


def check_all_compiled() -> None:
    mesh = make_mesh({"gpu": 2}, "cpu")
    for name, case in cases().items():
        check_compiled(name, case, mesh["gpu"])


def check_network_compiled() -> None:
    torch.set_default_dtype(torch.float64)
    made = compiled(OVER_ALL, "mesh tower=2\nsplit channels by tower\nkeep fc8 on tower 0")
    network = made["NetMeshOf"](make_mesh({"tower": 2}, "cpu")).train()
    results = []
    for run in (network, torch.compile(network, backend="aot_eager", fullgraph=True)):
        network.reset_parameters(0)
        fix_masks(network, 0, 0)
        network.zero_grad()
        images, _ = batches()[0]
        made_here = run(images)
        made_here.square().sum().backward()
        results.append([made_here.detach(), *(weight.grad.clone() for weight in network.parameters())])
    for eager, as_one_graph in zip(*results, strict=True):
        torch.testing.assert_close(eager, as_one_graph, rtol=1e-12, atol=1e-12)


def test_every_exchange_compiles_as_one_graph() -> None:
    run_ranks(2, check_all_compiled, timeout=240)


def test_a_placed_network_compiles_as_one_graph() -> None:
    run_ranks(2, check_network_compiled, timeout=240)


def gradients_of_one_process(made: dict[str, nn.Module]) -> dict[str, Tensor]:
    network = made["Net"]()
    network.reset_parameters(0)
    images, labels = batches()[0]
    fix_masks(network, 0, 0)
    (F.cross_entropy(network(images), labels, reduction="sum") / BATCH).backward()  # type: ignore[no-untyped-call]
    return {name: weight.grad for name, weight in network.named_parameters() if weight.grad is not None}


def check_copies_by_torchs_own_wrappers() -> None:
    """DistributedDataParallel with sums, and FSDP, over the images axis around the towers of the other one."""
    torch.set_default_dtype(torch.float64)
    net, placement = FOUR_RANKS["copies of towers"]
    made = compiled(net, placement)
    reference = gradients_of_one_process(made)
    mesh = make_mesh({"copy": 2, "tower": 2}, "cpu")
    images, labels = (own_rows(mesh, ("copy",), rows) for rows in batches()[0])

    def placed() -> nn.Module:
        network: nn.Module = made["NetMeshOf"](mesh)
        network.reset_parameters(0)  # type: ignore[operator]
        fix_masks(network, 0, 0)
        return network

    def check(what: str, run: nn.Module, gradient_of: Callable[[Tensor], Tensor]) -> None:
        (F.cross_entropy(run(images), labels, reduction="sum") / BATCH).backward()  # type: ignore[no-untyped-call]
        for name, weight in run.named_parameters():
            own = reference[name.removeprefix("module.")].chunk(2)[mesh["tower"].index]
            assert weight.grad is not None
            torch.testing.assert_close(gradient_of(weight.grad), own, rtol=1e-12, atol=1e-12, msg=f"{what}: {name}")

    def add_up(group, bucket):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202 - torch compares annotations
        work = dist.all_reduce(bucket.buffer(), group=group, async_op=True)
        assert work is not None
        return work.get_future().then(lambda done: done.value()[0])

    copies = DistributedDataParallel(placed(), process_group=mesh["copy"].group)
    copies.register_comm_hook(mesh["copy"].group, add_up)
    check("DDP", copies, lambda gradient: gradient)
    sharded = fully_shard(placed(), mesh=init_device_mesh("cpu", (2, 2), mesh_dim_names=("copy", "tower"))["copy"])
    assert isinstance(sharded, FSDPModule)
    sharded.set_gradient_divide_factor(1.0)
    assert isinstance(sharded, nn.Module)
    check("FSDP", sharded, lambda gradient: gradient.full_tensor())  # type: ignore[attr-defined]


def test_copies_by_torchs_own_wrappers() -> None:
    run_ranks(4, check_copies_by_torchs_own_wrappers)
