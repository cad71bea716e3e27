"""Sees every collective that is really issued, and how many bytes are handed over."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

# Of torch's own operators: what they do, and which argument is handed over.
_OPERATORS = {
    "_allgather_base_": ("all-gather", 1),
    "_reduce_scatter_base_": ("reduce-scatter", 1),
    "allreduce_": ("all-reduce", 0),
    "alltoall_base_": ("all-to-all", 1),
}
Issued = tuple[str, str, int, tuple[int, ...]]  # phase, collective, bytes handed over, the ranks that take part
_NAMESPACES = ("c10d", "_c10d_functional", "_c10d_functional_autograd", "c10d_functional")


class CollectivesMeter(TorchDispatchMode):
    """Records what is issued while it is entered; `phase` is set by the test.

    A collective that it does not know is recorded by its name, so that no comparison with a plan can succeed.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.phase = "forward"
        self.seen: list[Issued] = []

    def __torch_dispatch__(
        self,
        function: Any,  # noqa: ANN401
        types: Any,  # noqa: ANN401
        arguments: tuple[Any, ...] = (),
        options: dict[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401
        if function.namespace in _NAMESPACES:
            name = function.overloadpacket.__name__
            collective, place = _OPERATORS.get(name, (name, -1))
            self.seen.append(
                (self.phase, collective, _bytes(arguments[place]) if place >= 0 else -1, _ranks(arguments))
            )
        return function(*arguments, **(options or {}))

    def measured(self, run: Callable[[], Tensor]) -> list[Issued]:
        """What a forward pass and the backward pass of what it returns hand over."""
        with self:
            self.phase = "forward"
            loss = run()
            self.phase = "backward"
            loss.backward()  # type: ignore[no-untyped-call]
        return self.seen


def _ranks(arguments: tuple[Any, ...]) -> tuple[int, ...]:
    """The members of the group among an operator's arguments."""
    group = next(each for each in arguments if isinstance(each, torch.ScriptObject))
    return tuple(dist.get_process_group_ranks(dist.ProcessGroup.unbox(group)))


def _bytes(handed: Tensor | list[Tensor]) -> int:
    tensors = [handed] if isinstance(handed, Tensor) else handed
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)
