"""The alexc kinds of Caffe's layers, one function per type.

A function returns None and reports an error if Caffe computes something that has no counterpart.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from alexc.compiler.layers.kind import Kind, Shape, ShapeError
from alexc.compiler.text.diagnostics import Diagnostic
from alexc.compiler.text.source import Span

from ..foreign.network import make_kind
from .fields import Fields
from .layer import CaffeLayer
from .weights import initial_values, multipliers


@dataclass(frozen=True)
class Context:
    """What the translation of a layer depends on beside the layer.

    Attributes:
        input_shape: the shape of its input, or None if that is not known.
        read_as_maps: whether a layer that needs feature maps reads its output.
        has_initial_values: whether the file has initial values.
        findings: the list that diagnostics are appended to.
    """

    input_shape: Shape | None
    read_as_maps: bool
    has_initial_values: bool
    findings: list[Diagnostic]


Translation = Callable[[CaffeLayer, Context], list[Kind] | None]


def _convolution(layer: CaffeLayer, context: Context) -> list[Kind] | None:
    parameters = layer.fields.message("convolution_param")
    parameters.ignore("engine", "force_nd_im2col")
    _require_axis(parameters, "axis", context.findings)
    arguments: dict[str, object] = {
        "kernel": _pair(parameters, "kernel_size", "kernel_h", "kernel_w", None, context.findings),
        "stride": _pair(parameters, "stride", "stride_h", "stride_w", 1, context.findings),
        "pad": _pair(parameters, "pad", "pad_h", "pad_w", 0, context.findings),
        "dilation": _pair(parameters, "dilation", "", "", 1, context.findings),
        "groups": parameters.whole("group", 1),
        "kernels": parameters.whole("num_output", 1),
        **initial_values(parameters, context.has_initial_values, context.findings),
        **multipliers(layer),
    }
    if arguments["kernel"] is None or not parameters.has("num_output"):
        missing = "kernel_size" if arguments["kernel"] is None else "num_output"
        _report(context, f"`{layer.name}` has no `{missing}`", layer.span, code="E0904")
        return None
    places = {"kernels": "num_output", "kernel": "kernel_size", "groups": "group"}
    spans = {name: parameters.span_of(places.get(name, name)) for name in arguments if name not in _MULTIPLIERS}
    return _one("conv", arguments, layer, context, spans)


def _pooling(layer: CaffeLayer, context: Context) -> list[Kind] | None:
    parameters = layer.fields.message("pooling_param")
    parameters.ignore("engine")
    down = parameters.text("round_mode", "CEIL") in ("FLOOR", "1") or not parameters.flag("ceil_mode", True)
    how = {"0": "MAX", "1": "AVE", "2": "STOCHASTIC"}.get(
        parameters.text("pool", "MAX"), parameters.text("pool", "MAX")
    )
    if how not in ("MAX", "AVE"):
        _report(context, f"`{how}` pooling has no counterpart", parameters.span_of("pool"), "MAX and AVE have one")
        return None
    keyword = "maxpool" if how == "MAX" else "avgpool"
    if parameters.flag("global_pooling", False):
        return _global_pooling(layer, context, keyword)
    window = _pair(parameters, "kernel_size", "kernel_h", "kernel_w", None, context.findings)
    stride = _pair(parameters, "stride", "stride_h", "stride_w", 1, context.findings)
    pad = _pair(parameters, "pad", "pad_h", "pad_w", 0, context.findings)
    if window is None or stride is None or pad is None:
        _report(context, f"`{layer.name}` has no `kernel_size`", layer.span, code="E0904")
        return None
    arguments: dict[str, object] = {
        "window": window,
        "stride": None if stride == window else stride,
        "pad": pad,
        "round": "floor" if down else "ceil",
    }
    kind = make_kind(keyword, arguments, layer.span, context.findings, {"window": parameters.span_of("kernel_size")})
    if kind is None or not (down or _pools_as_caffe(kind, window, stride, pad, layer, context)):
        return None
    return [kind]


def _global_pooling(layer: CaffeLayer, context: Context, keyword: str) -> list[Kind] | None:
    """Pooling over whole maps: the output is a vector, or maps of one value if a later layer needs maps."""
    if not context.read_as_maps:
        return _one(f"global_{keyword}", {}, layer, context)
    if keyword == "avgpool":
        return _one("adaptive_avgpool", {"size": 1}, layer, context)
    if context.input_shape is not None and len(context.input_shape.sizes) == 3:
        return _one(keyword, {"window": context.input_shape.sizes[1:]}, layer, context)
    _report(context, "the size of the pooled maps is not known", layer.span)
    return None


def _pools_as_caffe(
    kind: Kind,
    window: tuple[int, int],
    stride: tuple[int, int],
    pad: tuple[int, int],
    layer: CaffeLayer,
    context: Context,
) -> bool:
    """Whether alexc has as many windows as Caffe, which rounds up and drops a last window that starts in the padding.

    Without padding, Caffe keeps even a window beyond the maps, which torch drops.
    """
    if context.input_shape is None or len(context.input_shape.sizes) != 3:
        return True
    try:
        made = kind.output(context.input_shape, 1).sizes[1:]
    except ShapeError:
        return True  # the check of the spec reports it
    there = tuple(
        _caffe_places(size, window[side], stride[side], pad[side], any(pad))
        for side, size in enumerate(context.input_shape.sizes[1:])
    )
    if made != there:
        message = (
            f"Caffe makes maps of {there[0]}x{there[1]} here, with windows that read nothing; alexc {made[0]}x{made[1]}"
        )
        _report(context, message, layer.span, "a stride that is not larger than the window")
    return made == there


def _caffe_places(size: int, window: int, stride: int, pad: int, clips: bool) -> int:
    places = -(-(size + 2 * pad - window) // stride) + 1
    return places - 1 if clips and (places - 1) * stride >= size + pad else places


def _lrn(layer: CaffeLayer, context: Context) -> list[Kind] | None:
    parameters = layer.fields.message("lrn_param")
    parameters.ignore("engine")
    k = parameters.number("k", 1)
    arguments: dict[str, object] = {
        "size": parameters.whole("local_size", 5),
        "k": k,
        "alpha": parameters.number("alpha", 1),
        "beta": parameters.number("beta", 0.75),
        "norm": "mean",
    }
    if parameters.text("norm_region", "ACROSS_CHANNELS") in ("WITHIN_CHANNEL", "1"):
        arguments |= {"within": "map", "k": 1.0}  # Caffe uses 1 here and ignores `k`
    if parameters.whole("local_size", 5) % 2 == 0:
        _report(context, "Caffe normalises over an odd number only", parameters.span_of("local_size"))
        return None
    return _one("lrn", arguments, layer, context)


def _inner_product(layer: CaffeLayer, context: Context) -> list[Kind] | None:
    parameters = layer.fields.message("inner_product_param")
    parameters.ignore("engine", "transpose")  # how it computes, and the layout of its weight files
    _require_axis(parameters, "axis", context.findings)
    if not parameters.has("num_output"):
        _report(context, f"`{layer.name}` has no `num_output`", layer.span, code="E0904")
        return None
    arguments = {
        "units": parameters.whole("num_output", 1),
        **initial_values(parameters, context.has_initial_values, context.findings),
        **multipliers(layer),
    }
    spans = {"units": parameters.span_of("num_output")}
    return _one("linear", arguments, layer, context, spans)


def _relu(layer: CaffeLayer, context: Context) -> list[Kind] | None:
    parameters = layer.fields.message("relu_param")
    parameters.ignore("engine")
    slope = parameters.number("negative_slope", 0)
    return _one("leaky_relu" if slope else "relu", {"slope": slope} if slope else {}, layer, context)


def _elu(layer: CaffeLayer, context: Context) -> list[Kind] | None:
    parameters = layer.fields.message("elu_param")
    return _one("elu", {"alpha": parameters.number("alpha", 1)}, layer, context)


def _dropout(layer: CaffeLayer, context: Context) -> list[Kind] | None:
    parameters = layer.fields.message("dropout_param")
    ratio = parameters.number("dropout_ratio", 0.5)
    spans = {"p": parameters.span_of("dropout_ratio")}
    return _one("dropout", {"p": ratio, "scale": "train"}, layer, context, spans)


def _softmax(layer: CaffeLayer, context: Context) -> list[Kind] | None:
    parameters = layer.fields.message("softmax_param")
    parameters.ignore("engine")
    _require_axis(parameters, "axis", context.findings)
    return _softmax_of(context, layer, 1.0)


def _softmax_with_loss(layer: CaffeLayer, context: Context) -> list[Kind] | None:
    parameters, loss = layer.fields.message("softmax_param"), layer.fields.message("loss_param")
    parameters.ignore("engine")
    _require_axis(parameters, "axis", context.findings)
    for name in ("ignore_label", "normalize", "normalization"):
        if loss.has(name) and loss.text(name) not in ("true", "VALID", "1"):
            message = f"`{name}` has no counterpart: the loss is the mean over all images"
            context.findings.append(Diagnostic("W0901", message, loss.span_of(name)))
    loss.ignore("ignore_label", "normalize", "normalization")
    share = 1.0 if layer.loss_weight is None else layer.loss_weight
    if share == 0:
        _report(context, "a loss of weight 0 trains nothing", layer.fields.span_of("loss_weight"), "remove the head")
        return None
    return _softmax_of(context, layer, share)


def _softmax_of(context: Context, layer: CaffeLayer, share: float) -> list[Kind] | None:
    """A softmax, which needs a vector in alexc: maps of one value are flattened."""
    flatten: list[Kind] = []
    if context.input_shape is not None and len(context.input_shape.sizes) == 3:
        if context.input_shape.sizes[1:] != (1, 1):
            _report(
                context, f"a softmax at each position of maps, {context.input_shape}, has no counterpart", layer.span
            )
            return None
        flatten = [each for each in (make_kind("flatten", {}, layer.span, context.findings),) if each]
    spans = {"share": layer.fields.span_of("loss_weight")}
    kind = make_kind("softmax", {"share": share}, layer.span, context.findings, spans)
    return None if kind is None else [*flatten, kind]


def _flatten(layer: CaffeLayer, context: Context) -> list[Kind] | None:
    parameters = layer.fields.message("flatten_param")
    _require_axis(parameters, "axis", context.findings)
    if parameters.whole("end_axis", -1) not in (-1, 3):
        _report(context, "only all axes of an image are flattened here", parameters.span_of("end_axis"))
        return None
    return _as_vector(layer, context)


def _reshape(layer: CaffeLayer, context: Context) -> list[Kind] | None:
    parameters = layer.fields.message("reshape_param")
    sizes = parameters.message("shape").whole_numbers("dim")
    values = None if context.input_shape is None else context.input_shape.values
    if parameters.whole("axis", 0) or parameters.whole("num_axes", -1) != -1:
        sizes = []
    whole = [size for size in sizes[1:] if size != 1]
    if sizes[:1] in ([0], [-1]) and whole in ([-1], [values]) and len(sizes) == len(whole) + 1:
        return _as_vector(layer, context)
    _report(context, "only a reshape to one vector per image has a counterpart", layer.span, "`dim: 0 dim: -1`")
    return None


def _as_vector(layer: CaffeLayer, context: Context) -> list[Kind] | None:
    if context.input_shape is not None and len(context.input_shape.sizes) == 1:
        return []
    return _one("flatten", {}, layer, context)


def _concat(layer: CaffeLayer, context: Context) -> list[Kind] | None:
    parameters = layer.fields.message("concat_param")
    if parameters.has("axis"):
        _require_axis(parameters, "axis", context.findings)
    _require_axis(parameters, "concat_dim", context.findings)
    return _one("concat", {}, layer, context)


def _eltwise(layer: CaffeLayer, context: Context) -> list[Kind] | None:
    parameters = layer.fields.message("eltwise_param")
    parameters.ignore("stable_prod_grad")
    operation = parameters.text("operation", "SUM")
    if operation not in ("SUM", "1"):
        _report(context, f"`{operation}` of layers has no counterpart", parameters.span_of("operation"), "SUM has one")
        return None
    if any(factor != 1 for factor in parameters.numbers("coeff")):
        _report(context, "a sum with factors has no counterpart", parameters.span_of("coeff"))
        return None
    return _one("add", {}, layer, context)


def batch_normalisation(norm: CaffeLayer, scale: CaffeLayer | None, context: Context) -> Kind | None:
    """Caffe's BatchNorm, which only normalises, and the Scale after it, as one layer.

    Without a Scale, or without its bias, the weight or the bias exists and is not trained.
    """
    parameters = norm.fields.message("batch_norm_param")
    parameters.ignore("engine", "use_global_stats")
    arguments: dict[str, object] = {
        "eps": parameters.number("eps", 1e-5),
        "momentum": round(1 - parameters.number("moving_average_fraction", 0.999), 12),
        "weight_rate": 0.0,
        "bias_rate": 0.0,
    }
    if scale is not None:
        given = scale.fields.message("scale_param")
        _require_axis(given, "axis", context.findings)
        if given.whole("num_axes", 1) != 1:
            _report(context, "only one factor per map has a counterpart", given.span_of("num_axes"))
        arguments["weight"] = _constant(given.message("filler"), 1.0, context)
        own = multipliers(scale)
        arguments |= {name: own[name] for name in ("weight_rate", "weight_decay")}
        bias = given.message("bias_filler")
        if given.flag("bias_term", False):
            arguments |= {name: own[name] for name in ("bias_rate", "bias_decay")}
            arguments["bias"] = _constant(bias, 0.0, context)
    spans = {"eps": parameters.span_of("eps"), "momentum": parameters.span_of("moving_average_fraction")}
    return make_kind("batchnorm", arguments, norm.span, context.findings, spans)


def _constant(filler: Fields, default: float, context: Context) -> float:
    if filler.text("type", "constant") != "constant":
        message = "all initial values are the same here, so the network starts from other values"
        context.findings.append(Diagnostic("W0902", message, filler.span_of("type")))
    filler.ignore("mean", "std", "min", "max")
    return filler.number("value", default)


def _plain(keyword: str) -> Translation:
    """The translation of a type without parameters."""

    def translate(layer: CaffeLayer, context: Context) -> list[Kind] | None:
        layer.fields.message(f"{layer.type.lower()}_param").ignore("engine")
        return _one(keyword, {}, layer, context)

    return translate


def _swish(layer: CaffeLayer, context: Context) -> list[Kind] | None:
    parameters = layer.fields.message("swish_param")
    if parameters.number("beta", 1) != 1:
        _report(context, "a swish with a beta other than 1 has no counterpart", parameters.span_of("beta"))
        return None
    return _one("silu", {}, layer, context)


TRANSLATIONS: dict[str, Translation] = {
    "BNLL": _plain("softplus"),
    "Concat": _concat,
    "Convolution": _convolution,
    "Dropout": _dropout,
    "ELU": _elu,
    "Eltwise": _eltwise,
    "Flatten": _flatten,
    "InnerProduct": _inner_product,
    "LRN": _lrn,
    "Pooling": _pooling,
    "ReLU": _relu,
    "Reshape": _reshape,
    "Sigmoid": _plain("sigmoid"),
    "Softmax": _softmax,
    "SoftmaxWithLoss": _softmax_with_loss,
    "Swish": _swish,
    "TanH": _plain("tanh"),
}

_MULTIPLIERS = ("weight_rate", "weight_decay", "bias_rate", "bias_decay")


def _pair(
    parameters: Fields, both: str, high: str, wide: str, default: int | None, findings: list[Diagnostic]
) -> tuple[int, int] | None:
    """(height, width), from one field that is given once or twice, or from one field for each."""
    sizes = parameters.whole_numbers(both)
    if high and (parameters.has(high) or parameters.has(wide)):
        fallback = 0 if default is None else default
        if sizes:
            message = f"`{both}` and `{high}` say the same"
            findings.append(Diagnostic("E0904", message, parameters.span_of(high, wide)))
        return parameters.whole(high, fallback), parameters.whole(wide, fallback)
    if len(sizes) > 2:
        message = f"images have two sides, but `{both}` is given {len(sizes)} times"
        findings.append(Diagnostic("E0904", message, parameters.span_of(both)))
    if not sizes:
        return None if default is None else (default, default)
    return sizes[0], sizes[-1]


def _one(
    keyword: str,
    arguments: Mapping[str, object],
    layer: CaffeLayer,
    context: Context,
    spans: Mapping[str, Span] | None = None,
) -> list[Kind] | None:
    kind = make_kind(keyword, arguments, layer.span, context.findings, spans)
    return None if kind is None else [kind]


def _require_axis(parameters: Fields, name: str, findings: list[Diagnostic]) -> None:
    if parameters.whole(name, 1) != 1:
        message = f"only the channel axis can be the `{name}` here"
        findings.append(Diagnostic("E0903", message, parameters.span_of(name), help="axis 1"))


def _report(context: Context, message: str, span: Span, help_: str = "", code: str = "E0903") -> None:
    context.findings.append(Diagnostic(code, message, span, help=help_))
