"""Caffe's layers with a learned factor, summand or slope for each feature map, and its batch normalisation."""

from __future__ import annotations

from alexc.compiler.layers.kind import Kind
from alexc.compiler.text.diagnostics import Diagnostic

from ..foreign.network import make_kind
from .fields import Fields
from .ignored import OF_NORMS
from .layer import CaffeLayer, Multipliers
from .translation import Context, Translated, one, require_axis
from .weights import multipliers


def batch_normalisation(norm: CaffeLayer, scale: CaffeLayer | None, context: Context) -> Kind | None:
    """Caffe's BatchNorm, which only normalises, and the Scale after it, as one layer.

    Without a Scale, or without its bias, the weight or the bias exists and is not trained.
    """
    parameters = norm.fields.message("batch_norm_param")
    parameters.ignore("engine", "use_global_stats", *OF_NORMS)
    arguments: dict[str, object] = {
        "eps": parameters.number("eps", 1e-5),
        "momentum": round(1 - parameters.number("moving_average_fraction", 0.999), 12),
        "weight_rate": 0.0,
        "bias_rate": 0.0,
    }
    if scale is not None:
        given = scale.fields.message("scale_param")
        _require_one_for_each_map(given, context)
        arguments["weight"] = _constant(given, "filler", 1.0, context)
        own = multipliers(scale)
        arguments |= {name: own[name] for name in ("weight_rate", "weight_decay")}
        if given.flag("bias_term", False):
            arguments |= {name: own[name] for name in ("bias_rate", "bias_decay")}
            arguments["bias"] = _constant(given, "bias_filler", 0.0, context)
        else:
            given.ignore("bias_filler")
    spans = {"eps": parameters.span_of("eps"), "momentum": parameters.span_of("moving_average_fraction")}
    return make_kind("batchnorm", arguments, norm.span, context.findings, spans)


def scale(layer: CaffeLayer, context: Context) -> Translated | None:
    """A Scale that is not part of a BatchNorm: learned factors, or the product of two layers."""
    parameters = layer.fields.message("scale_param")
    has_bias = parameters.flag("bias_term", False)
    if not has_bias:
        parameters.ignore("bias_filler")
    if len(layer.bottoms) > 1:
        made = _product(parameters, layer, context)
        summand = _summand(parameters, "bias_filler", layer, context) if has_bias and made is not None else []
        return None if made is None or summand is None else [*made, *summand]
    _require_one_for_each_map(parameters, context)
    arguments = {"weight": _constant(parameters, "filler", 1.0, context), **multipliers(layer)}
    if has_bias:
        arguments["bias"] = _constant(parameters, "bias_filler", 0.0, context)
    return one("layer_scale", arguments, layer, context)


def _product(parameters: Fields, layer: CaffeLayer, context: Context) -> Translated | None:
    """The product of two layers of the same images, the second one with one value for each map, or for each value."""
    if parameters.whole("axis", 1) != 0:
        message = "the product of two layers has a counterpart only if both have the same images"
        context.report(message, parameters.span_of("axis"), "axis 0")
        return None
    return one("multiply", {}, layer, context)


def _summand(parameters: Fields, filler: str, layer: CaffeLayer, context: Context) -> Translated | None:
    """A learned summand for each map: a factor of 1 that is not trained, and a bias."""
    own = [*layer.multipliers, Multipliers()][0]
    arguments = {
        "weight": 1.0,
        "bias": _constant(parameters, filler, 0.0, context),
        "weight_rate": 0.0,
        "bias_rate": own.rate,
        "bias_decay": own.decay,
    }
    return one("layer_scale", arguments, layer, context)


def bias(layer: CaffeLayer, context: Context) -> Translated | None:
    """A Bias: a learned summand for each map, or the sum of two layers."""
    parameters = layer.fields.message("bias_param")
    if len(layer.bottoms) == 1:
        _require_one_for_each_map(parameters, context)
        return _summand(parameters, "filler", layer, context)
    if parameters.whole("axis", 1) != 0:
        message = "the sum of two layers has a counterpart only if both have the same images"
        context.report(message, parameters.span_of("axis"), "axis 0")
        return None
    return one("add", {}, layer, context)


def prelu(layer: CaffeLayer, context: Context) -> Translated | None:
    """A PReLU: one learned slope for each map, or one for all."""
    parameters = layer.fields.message("prelu_param")
    own = multipliers(layer)
    arguments = {
        "weight": _constant(parameters, "filler", 0.25, context),
        "shared": "yes" if parameters.flag("channel_shared", False) else "no",
        **{name: own[name] for name in ("weight_rate", "weight_decay")},
    }
    return one("prelu", arguments, layer, context)


def _require_one_for_each_map(parameters: Fields, context: Context) -> None:
    """Report an error unless a parameter has one value for each map; for a vector, all further axes are none."""
    require_axis(parameters, "axis", context)
    shape = context.input_shape
    axes = (1, -1) if shape is not None and len(shape.sizes) == 1 else (1,)
    if parameters.whole("num_axes", 1) not in axes:
        context.report("only one value for each map has a counterpart", parameters.span_of("num_axes"))


def _constant(parameters: Fields, field: str, default: float, context: Context) -> float:
    """The value of a filler, which is 0 in a filler that does not say it; `default` without a filler."""
    filler = parameters.message(field)
    constant = filler.text("type", "constant") == "constant"
    if not constant:
        message = "all initial values are the same here, so the network starts from other values"
        context.findings.append(Diagnostic("W0902", message, filler.span_of("type")))
    filler.ignore("mean", "std", "min", "max")
    return filler.number("value", 0.0 if constant and parameters.has(field) else default)
