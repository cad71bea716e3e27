"""The initial values and multipliers of a Caffe layer with weights."""

from __future__ import annotations

from alexc.compiler.layers.initial_values import Constant, Distribution, Kaiming, LeCun, Uniform
from alexc.compiler.text.diagnostics import Diagnostic

from ..foreign.network import make_distribution
from .fields import Fields
from .layer import CaffeLayer, Multipliers

_VALUES = ("value", "mean", "std", "min", "max")


def multipliers(layer: CaffeLayer) -> dict[str, object]:
    """The multipliers of learning rate and weight decay for weights and biases, as arguments of a kind."""
    weight, bias = [*layer.multipliers, Multipliers(), Multipliers()][:2]
    return {
        "weight_rate": weight.rate,
        "weight_decay": weight.decay,
        "bias_rate": bias.rate,
        "bias_decay": bias.decay,
    }


def initial_values(parameters: Fields, in_file: bool, findings: list[Diagnostic]) -> dict[str, object]:
    """The initial values of weights and biases, as arguments of a kind.

    Args:
        parameters: the layer's `convolution_param` or `inner_product_param`.
        in_file: whether the file has any initial values; one for deployment has none.
        findings: the list that diagnostics are appended to.
    """
    arguments: dict[str, object] = {}
    weight, bias = parameters.message("weight_filler"), parameters.message("bias_filler")
    start = _distribution(weight, findings) if in_file else None
    if start is not None:
        arguments["weight"] = start
    if not parameters.flag("bias_term", True):
        arguments["bias"] = None
        bias.ignore("type", *_VALUES)
    else:
        arguments["bias"] = _bias(bias, findings)
    return arguments


def _distribution(filler: Fields, findings: list[Diagnostic]) -> Distribution | None:
    """The distribution of a filler; Caffe's default is the constant 0."""
    type_ = filler.text("type", "constant")
    if filler.whole("sparse", -1) != -1:
        _lost("`sparse`, which sets most weights to zero,", filler, "sparse", findings)
    match type_:
        case "gaussian":
            values = {"mean": filler.number("mean", 0), "std": filler.number("std", 1)}
            return make_distribution("normal", values, filler.span_of("std"), findings)
        case "uniform":
            return Uniform(low=filler.number("min", 0), high=filler.number("max", 1))
        case "constant":
            return Constant(value=filler.number("value", 0))
        case "xavier" | "msra":
            filler.ignore(*_VALUES)
            if filler.text("variance_norm", "FAN_IN") not in ("FAN_IN", "0"):
                _lost("a variance by `fan_out` or by both", filler, "variance_norm", findings)
            return LeCun() if type_ == "xavier" else Kaiming()
        case _:
            filler.ignore(*_VALUES)
            _lost(f"the filler `{type_}`", filler, "type", findings)
            return Kaiming()


def _bias(filler: Fields, findings: list[Diagnostic]) -> float:
    """The initial value of all biases, which is one number in alexc: the mean of the filler's distribution."""
    type_ = filler.text("type", "constant")
    value, mean = filler.number("value", 0), filler.number("mean", 0)
    low, high = filler.number("min", 0), filler.number("max", 1)
    filler.ignore("std", "variance_norm", "sparse")
    if type_ == "constant":
        return value
    if type_ != "gaussian" or filler.number("std", 1) != 0:
        _lost("a bias that starts from random numbers", filler, "type", findings)
    return {"gaussian": mean, "uniform": (low + high) / 2}.get(type_, 0.0)


def _lost(what: str, filler: Fields, name: str, findings: list[Diagnostic]) -> None:
    message = f"{what} has no counterpart, so the network starts from other values"
    findings.append(Diagnostic("W0902", message, filler.span_of(name)))
