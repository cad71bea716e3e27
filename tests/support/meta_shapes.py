"""Passes on the meta device in a fraction of the time: an operator computes the shapes of its results once."""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import Tensor

from benchmarks.collectives_meter import CollectivesMeter

_made: dict[tuple[object, ...], list[tuple[torch.Size, tuple[int, ...], torch.dtype]]] = {}


class MetaMeter(CollectivesMeter):  # type: ignore[no-untyped-call]
    """A `CollectivesMeter` for the meta device.

    Many of torch's operators compute shapes there in Python, in up to milliseconds per call. The results of an operator
    that makes new tensors depend only on the shapes of its arguments; one that works in place returns its argument.
    Views are always computed.
    """

    def __torch_dispatch__(
        self,
        function: Any,  # noqa: ANN401
        types: Any,  # noqa: ANN401
        arguments: tuple[Any, ...] = (),
        options: dict[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401
        if function.namespace != "aten" or not (_is_in_place(function) or _makes_tensors(function)):
            return super().__torch_dispatch__(function, types, arguments, options)
        call = function, _described(arguments), _described(tuple((options or {}).items()))
        if call not in _made:
            result = function(*arguments, **(options or {}))
            results = result if isinstance(result, tuple) else (result,)
            if all(isinstance(each, Tensor) and each.is_meta for each in results):
                _made[call] = [(each.shape, each.stride(), each.dtype) for each in results]
            return result
        if _is_in_place(function):
            return arguments[0]
        made = tuple(torch.empty_strided(*shape, dtype=dtype, device="meta") for *shape, dtype in _made[call])
        return made if len(function._schema.returns) > 1 else made[0]


@cache
def _is_in_place(function: torch._ops.OpOverload) -> bool:
    return torch.Tag.inplace in function.tags


@cache
def _makes_tensors(function: torch._ops.OpOverload) -> bool:
    returns = function._schema.returns
    return all(str(each.type) == "Tensor" and each.alias_info is None for each in returns)


def _described(value: object) -> object:
    """What the shapes of results can depend on."""
    match value:
        case Tensor():
            return value.shape, value.stride(), value.dtype, value.device
        case tuple() | list():
            return tuple(map(_described, value))
        case _:
            return type(value), value
