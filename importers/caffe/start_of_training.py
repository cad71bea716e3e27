"""Warns about what a network starts from: weights that are all zero, and the running statistics of batch norm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import ceil, log

from alexc.compiler.layers.batchnorm import Batchnorm
from alexc.compiler.layers.convolving import Convolving
from alexc.compiler.layers.initial_values import Constant
from alexc.compiler.layers.linear import Linear
from alexc.compiler.text.diagnostics import Diagnostic

from ..foreign.network import ForeignLayer

_STEPS, _MEAN, _VARIANCE = 500, 5.0, 9.0  # of the example in the warning about running statistics


def without_zeros(layers: Sequence[ForeignLayer], trains: bool, findings: list[Diagnostic]) -> list[ForeignLayer]:
    """Warn about weights that are all zero, and leave these initial values out unless the net is one for training.

    Caffe's weights without a `weight_filler` are zero. A net for deployment gets its weights from a file.
    """
    zero = [
        layer
        for layer in layers
        if isinstance(layer.kind, Convolving | Linear) and layer.kind.weight == Constant(value=0.0)
    ]
    if not zero:
        return list(layers)
    more = f" and {len(zero) - 1} more" if len(zero) > 1 else ""
    if trains:
        message = f"all weights of `{zero[0].name}`{more} start from zero, as in Caffe: such a layer may never learn"
        findings.append(Diagnostic("W0902", message, zero[0].span, help="give the layer a `weight_filler`"))
        return list(layers)
    message = (
        f"`{zero[0].name}`{more} would start from weights that are all zero; the net is for deployment, so the spec "
        "gives no initial values here"
    )
    helpful = "`alexc weights import` reads the .caffemodel"
    findings.append(Diagnostic("W0902", message, zero[0].span, help=helpful))
    return [
        replace(layer, kind=layer.kind.model_copy(update={"weight": type(layer.kind).model_fields["weight"].default}))
        if layer in zero
        else layer
        for layer in layers
    ]


def check_running_statistics(layers: Sequence[ForeignLayer], findings: list[Diagnostic]) -> None:
    """Warn, with numbers, if the running statistics keep their initial values for long.

    Caffe divides its sums by their accumulated weight, so they are right from the first step. As in PyTorch, alexc's
    start from mean 0 and variance 1, which count for (1 - momentum)^steps.
    """
    slow = [(layer, layer.kind) for layer in layers if isinstance(layer.kind, Batchnorm)]
    slow = [(layer, kind) for layer, kind in slow if (1 - kind.momentum) ** _STEPS > 0.01]
    if not slow:
        return
    layer, kind = slow[0]
    old = (1 - kind.momentum) ** _STEPS
    mean, variance = (1 - old) * _MEAN, old + (1 - old) * _VARIANCE
    steps = ceil(log(0.01) / log(1 - kind.momentum))
    message = (
        f"running statistics start from mean 0 and variance 1: after {_STEPS} steps on values of mean {_MEAN:g} and "
        f"variance {_VARIANCE:g}, they are {mean:.2f} and {variance:.2f}; in Caffe, about {_MEAN:g} and {_VARIANCE:g}"
    )
    helpful = f"train for more than {steps:,} steps, or raise `momentum` of the batch norms in the spec"
    findings.append(Diagnostic("W0901", message, layer.span, help=helpful))
