"""The bounds on the norms of kernels in the parameter file: `wball`, and `wcNormMin` and `wcNormMax` of 2012."""

from __future__ import annotations

from collections.abc import Sequence

from alexc.compiler.text.diagnostics import Diagnostic

from ..foreign.options import Options
from .groups import GroupInput
from .layers import CudaLayer

_KEYS = ("wball", "wcNormMin", "wcNormMax")


def norm_bounds(layer: CudaLayer, input_: GroupInput, weights: int, findings: list[Diagnostic]) -> dict[str, object]:
    """The bounds of the kernels that read one input, as arguments.

    The library bounds the norm divided by the number of weights; `wcNormMin` and `wcNormMax` are for the norm of the
    differences from the mean of a kernel.

    Args:
        layer: the layer with its parameters.
        input_: the input.
        weights: the number of weights of a kernel that read the input.
        findings: the list that diagnostics are appended to.

    Raises:
        ReadError: a value is not a number of at least 0.
    """
    if layer.parameters is None:
        return {}
    ball, least, most = (_value(layer.parameters, key, input_, len(layer.inputs)) for key in _KEYS)
    if not (ball or least or most):
        return {}
    key = "wball" if ball else "wcNormMin" if least else "wcNormMax"
    if input_.parts * len(input_.places) > 1 or input_.beside:
        what = "bounds the parts of a kernel that read different GPUs separately"
    elif ball and (least or most):
        what = "and other bounds are given together"
    elif layer.type == "local":
        what = "bounds kernels that differ from place to place"
    else:
        about = {} if ball else {"norm_about": "mean"}
        return {**_norm("min_norm", least, weights), **_norm("max_norm", ball or most, weights), **about}
    message = f"`{key}` of `{layer.name}` {what}, which has no counterpart"
    findings.append(Diagnostic("W0901", message, layer.parameters.span(key)))
    return {}


def _value(options: Options, key: str, input_: GroupInput, inputs: int) -> float:
    """The value for an input; a list has one per input of the layer."""
    values: Sequence[float] = options.numbers(key, 0.0, least=0)
    if len(values) not in (1, inputs):
        raise options.error("E0904", f"`{key}` has {len(values)} values for {inputs} inputs", key)
    return max(values[place % len(values)] for place in input_.places)


def _norm(argument: str, of_each: float, weights: int) -> dict[str, float]:
    return {argument: float(f"{of_each * weights:.12g}")} if of_each else {}
