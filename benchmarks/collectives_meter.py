"""Records every collective that torch issues, with the bytes that a rank passes to it and the bytes that it sends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

# torch's operators: the collective, and the index of the argument with the tensor.
_OPERATORS = {
    "_allgather_base_": ("all-gather", 1),
    "_reduce_scatter_base_": ("reduce-scatter", 1),
    "allreduce_": ("all-reduce", 0),
    "alltoall_base_": ("all-to-all", 1),
}
_ROWS_GIVEN = 4  # the argument of `alltoall_base_` with the number of rows for each rank, or an empty list
_NAMESPACES = ("c10d", "_c10d_functional", "_c10d_functional_autograd", "c10d_functional")


class Issued(NamedTuple):
    """The part of one rank in a collective.

    Attributes:
        phase: `forward`, `backward` or another phase that the caller sets.
        collective: the kind of collective.
        handed: bytes of the tensor that the rank passed to it.
        sent: bytes that the rank sent, if nothing is sent twice.
        ranks: all ranks that took part.
    """

    phase: str
    collective: str
    handed: int
    sent: int
    ranks: tuple[int, ...]


class CollectivesMeter(TorchDispatchMode):
    """Records the collectives inside its `with` block; the caller sets `phase`.

    An unknown collective is recorded with the name of its operator, so that a comparison with a plan fails.
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
        if function.namespace not in _NAMESPACES:
            return function(*arguments, **(options or {}))
        name = function.overloadpacket.__name__
        self.seen.append(_issued(self.phase, name, arguments))
        return self.issue(lambda: function(*arguments, **(options or {})))

    def issue(self, collective: Callable[[], Any]) -> Any:  # noqa: ANN401
        """Issue a collective; returns the result of torch's operator."""
        return collective()

    def measured(self, run: Callable[[], Tensor]) -> list[Issued]:
        """The collectives of a forward pass `run`, which returns the loss, and of its backward pass."""
        with self:
            self.phase = "forward"
            loss = run()
            self.phase = "backward"
            loss.backward()  # type: ignore[no-untyped-call]
        return self.seen


def _issued(phase: str, name: str, arguments: tuple[Any, ...]) -> Issued:
    group = dist.ProcessGroup.unbox(next(each for each in arguments if isinstance(each, torch.ScriptObject)))
    ranks = tuple(dist.get_process_group_ranks(group))
    if name not in _OPERATORS:
        return Issued(phase, name, -1, -1, ranks)
    collective, place = _OPERATORS[name]
    given = arguments[place]
    handed = sum(tensor.numel() * tensor.element_size() for tensor in ([given] if isinstance(given, Tensor) else given))
    others, count = len(ranks) - 1, len(ranks)
    match collective:
        case "all-gather":
            sent = handed * others
        case "reduce-scatter":
            sent = handed * others // count
        case "all-reduce":
            sent = 2 * handed * others // count
        case _:
            kept = arguments[_ROWS_GIVEN][group.rank()] if arguments[_ROWS_GIVEN] else len(given) // count
            sent = handed - handed // max(1, len(given)) * kept
    return Issued(phase, collective, handed, sent, ranks)
