"""The alexc kinds of Caffe's layers, one function per type.

A function returns None and reports an error if Caffe computes something that has no counterpart.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log, prod

from alexc.compiler.text.diagnostics import Diagnostic

from ..foreign.network import make_kind
from . import channelwise, joins
from .fields import Fields
from .layer import CaffeLayer
from .pooling import pooling
from .translation import MULTIPLIERS, Context, Translated, Translation, chain, one, pair, require_axis, sides
from .weights import initial_values, multipliers


def _convolution(layer: CaffeLayer, context: Context) -> Translated | None:
    parameters = layer.fields.message("convolution_param")
    parameters.ignore("engine", "force_nd_im2col")
    parameters.text("conv_algorithm")  # Intel's, how it computes
    require_axis(parameters, "axis", context)
    arguments: dict[str, object] = {
        "kernel": pair(parameters, "kernel_size", "kernel_h", "kernel_w", None, context.findings),
        "stride": pair(parameters, "stride", "stride_h", "stride_w", 1, context.findings),
        "pad": _padding(parameters, context),
        "dilation": pair(parameters, "dilation", "", "", 1, context.findings),
        "groups": _groups(parameters, layer, context),
        "kernels": parameters.whole("num_output", 1),
        **initial_values(parameters, context.has_initial_values, context.findings),
        **multipliers(layer),
    }
    if arguments["pad"] is None:
        return None
    if arguments["kernel"] is None or not parameters.has("num_output"):
        missing = "kernel_size" if arguments["kernel"] is None else "num_output"
        context.report(f"`{layer.name}` has no `{missing}`", layer.span, code="E0904")
        return None
    places = {"kernels": "num_output", "kernel": "kernel_size", "groups": "group"}
    spans = {name: parameters.span_of(places.get(name, name)) for name in arguments if name not in MULTIPLIERS}
    return one("conv", arguments, layer, context, spans)


def _padding(parameters: Fields, context: Context) -> object:
    """The padding as `conv` takes it; None and an error if it is not valid."""
    if parameters.whole("pad_type", 0) == 1:  # Synopsys'
        return "same"
    four = sides(parameters, context)
    return (four[0], four[2]) if four is not None and four[0] == four[1] and four[2] == four[3] else four


def _groups(parameters: Fields, layer: CaffeLayer, context: Context) -> int:
    """The number of groups: that of the input's maps in a depthwise convolution."""
    groups = parameters.whole("group", 1)
    if layer.type not in DEPTHWISE:
        return groups
    shape = context.input_shape
    return parameters.whole("num_output", 1) if shape is None else shape.channels


def _lrn(layer: CaffeLayer, context: Context) -> Translated | None:
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
        context.report("Caffe normalises over an odd number only", parameters.span_of("local_size"))
        return None
    return one("lrn", arguments, layer, context)


def _inner_product(layer: CaffeLayer, context: Context) -> Translated | None:
    parameters = layer.fields.message("inner_product_param")
    parameters.ignore("engine", "transpose")  # how it computes, and the layout of its weight files
    require_axis(parameters, "axis", context)
    if not parameters.has("num_output"):
        context.report(f"`{layer.name}` has no `num_output`", layer.span, code="E0904")
        return None
    arguments = {
        "units": parameters.whole("num_output", 1),
        **initial_values(parameters, context.has_initial_values, context.findings),
        **multipliers(layer),
    }
    spans = {"units": parameters.span_of("num_output")}
    return one("linear", arguments, layer, context, spans)


def _relu(layer: CaffeLayer, context: Context) -> Translated | None:
    parameters = layer.fields.message("relu_param")
    parameters.ignore("engine")
    slope, largest = parameters.number("negative_slope", 0), parameters.number("maximum", 0)
    if parameters.flag("relu6", False) and not slope and largest <= 0:
        return one("relu6", {}, layer, context)
    if largest > 0 and not slope:
        return one("relu", {"limit": largest}, layer, context)
    if slope and (largest > 0 or parameters.flag("relu6", False)):
        context.report("a ReLU with a slope and a largest value has no counterpart", layer.span)
        return None
    return one("leaky_relu" if slope else "relu", {"slope": slope} if slope else {}, layer, context)


def _elu(layer: CaffeLayer, context: Context) -> Translated | None:
    parameters = layer.fields.message("elu_param")
    return one("elu", {"alpha": parameters.number("alpha", 1)}, layer, context)


def _dropout(layer: CaffeLayer, context: Context) -> Translated | None:
    parameters = layer.fields.message("dropout_param")
    ratio = parameters.number("dropout_ratio", 0.5)
    spans = {"p": parameters.span_of("dropout_ratio")}
    return one("dropout", {"p": ratio, "scale": "train"}, layer, context, spans)


def _softmax(layer: CaffeLayer, context: Context) -> Translated | None:
    parameters = layer.fields.message("softmax_param")
    parameters.ignore("engine")
    require_axis(parameters, "axis", context)
    return _softmax_of(context, layer, 1.0)


def _softmax_with_loss(layer: CaffeLayer, context: Context) -> Translated | None:
    parameters, loss = layer.fields.message("softmax_param"), layer.fields.message("loss_param")
    parameters.ignore("engine")
    require_axis(parameters, "axis", context)
    for name in ("ignore_label", "normalize", "normalization"):
        if loss.has(name) and loss.text(name) not in ("true", "VALID", "1"):
            message = f"`{name}` has no counterpart: the loss is the mean over all images"
            context.findings.append(Diagnostic("W0901", message, loss.span_of(name)))
    loss.ignore("ignore_label", "normalize", "normalization")
    share = 1.0 if layer.loss_weight is None else layer.loss_weight
    if share == 0:
        context.report("a loss of weight 0 trains nothing", layer.fields.span_of("loss_weight"), "remove the head")
        return None
    return _softmax_of(context, layer, share)


def _softmax_of(context: Context, layer: CaffeLayer, share: float) -> Translated | None:
    """A softmax, which needs a vector in alexc: maps of one value are flattened."""
    flatten: Translated = []
    if context.input_shape is not None and len(context.input_shape.sizes) == 3:
        if context.input_shape.sizes[1:] != (1, 1):
            context.report(f"a softmax at each position of maps, {context.input_shape}, has no counterpart", layer.span)
            return None
        flatten = [each for each in (make_kind("flatten", {}, layer.span, context.findings),) if each]
    spans = {"share": layer.fields.span_of("loss_weight")}
    kind = make_kind("softmax", {"share": share}, layer.span, context.findings, spans)
    return None if kind is None else [*flatten, kind]


def _flatten(layer: CaffeLayer, context: Context) -> Translated | None:
    parameters = layer.fields.message("flatten_param")
    require_axis(parameters, "axis", context)
    if parameters.whole("end_axis", -1) not in (-1, 3):
        context.report("only all axes of an image are flattened here", parameters.span_of("end_axis"))
        return None
    return _as_vector(layer, context)


def _reshape(layer: CaffeLayer, context: Context) -> Translated | None:
    """A reshape to the same shape, or to one vector per image, also with sides of 1 behind it."""
    parameters = layer.fields.message("reshape_param")
    dims = parameters.message("shape").whole_numbers("dim")
    axis, axes = parameters.whole("axis", 0), parameters.whole("num_axes", -1)
    shape = context.input_shape
    if shape is None and dims[:1] in ([0], [-1]) and dims[1:] in ([0], [-1]) and dims != [-1, -1]:
        return _as_vector(layer, context)
    sizes = None if shape is None else _reshaped(shape.sizes, dims, axis, axes)
    if shape is not None and sizes == shape.sizes:
        return []
    if shape is not None and sizes is not None and shape.values in sizes:
        return _as_vector(layer, context)
    context.report("only a reshape to one vector per image has a counterpart", layer.span, "`dim: 0 dim: -1`")
    return None


def _reshaped(sizes: Sequence[int], dims: Sequence[int], axis: int, axes: int) -> tuple[int, ...] | None:
    """The sizes per image that Caffe makes of `sizes`; None if it would mix images, or if they do not fit.

    Args:
        sizes: those of the input, per image.
        dims: the new sizes; 0 is the size that was there, and -1 is what is left.
        axis: the first axis that they replace; 0 is that of the images.
        axes: how many axes they replace; -1 is all.
    """
    images = -2  # the unknown size of axis 0
    given = [images, *sizes]
    start = axis if axis >= 0 else axis + 1 + len(given)
    end = len(given) if axes == -1 else start + axes
    if len(dims) > MOST_AXES or not 0 <= start <= end <= len(given) or 0 in dims[len(given) - start :]:
        return None
    new = [given[start + place] if dim == 0 else dim for place, dim in enumerate(dims)]
    first, *rest = [*given[:start], *new, *given[end:]] or [0]
    if images in rest or first < images or rest.count(-1) > (first in (images, 1)):
        return None
    left = prod(sizes) // max(prod(size for size in rest if size != -1), 1)
    made = tuple(left if size == -1 else size for size in rest)
    return made if min(made, default=1) > 0 and prod(made) == prod(sizes) else None


def _as_vector(layer: CaffeLayer, context: Context) -> Translated | None:
    if context.input_shape is not None and len(context.input_shape.sizes) == 1:
        return []
    return one("flatten", {}, layer, context)


def _plain(keyword: str) -> Translation:
    """The translation of a type without parameters."""

    def translate(layer: CaffeLayer, context: Context) -> Translated | None:
        layer.fields.message(f"{layer.type.lower()}_param").ignore("engine")
        return one(keyword, {}, layer, context)

    return translate


def _swish(layer: CaffeLayer, context: Context) -> Translated | None:
    parameters = layer.fields.message("swish_param")
    if parameters.number("beta", 1) != 1:
        context.report("a swish with a beta other than 1 has no counterpart", parameters.span_of("beta"))
        return None
    return one("silu", {}, layer, context)


def _power(layer: CaffeLayer, context: Context) -> Translated | None:
    """(shift + scale * x) ** power."""
    parameters = layer.fields.message("power_param")
    exponent, scale, shift = parameters.number("power", 1), parameters.number("scale", 1), parameters.number("shift", 0)
    if exponent * scale == 0:
        context.report("a power that is the same for all values has no counterpart", layer.span)
        return None
    steps = [] if (scale, shift) == (1, 0) else [("affine", {"scale": scale, "shift": shift})]
    if exponent != 1:
        own = {2.0: "square", 0.5: "sqrt"}.get(exponent, "power")
        steps.append((own, {"exponent": exponent} if own == "power" else {}))
    return chain(steps, layer, context)


def _log(layer: CaffeLayer, context: Context) -> Translated | None:
    """The logarithm of shift + scale * x; the natural one has the base -1."""
    parameters = layer.fields.message("log_param")
    base, scale, shift = parameters.number("base", -1), parameters.number("scale", 1), parameters.number("shift", 0)
    if base != -1 and (base <= 0 or base == 1):
        context.report(f"there is no logarithm to the base {base:g}", parameters.span_of("base"), "", "E0904")
        return None
    steps = [] if (scale, shift) == (1, 0) else [("affine", {"scale": scale, "shift": shift})]
    steps.append(("log", {}))
    if base != -1:
        steps.append(("affine", {"scale": 1 / log(base)}))
    return chain(steps, layer, context)


def _channel_shuffle(layer: CaffeLayer, context: Context) -> Translated | None:
    groups = layer.fields.message("shuffle_channel_param").whole("group", 1)
    return one("channel_shuffle", {"groups": groups}, layer, context)


MOST_AXES = 32  # of Caffe's blobs
DEPTHWISE = ("ConvolutionDepthwise", "DepthwiseConvolution")  # of forks: as many groups as maps
TRANSLATIONS: dict[str, Translation] = {
    **dict.fromkeys(("Convolution", *DEPTHWISE), _convolution),
    "AbsVal": _plain("abs"),
    "Axpy": joins.axpy,
    "BNLL": _plain("softplus"),
    "Bias": channelwise.bias,
    "Concat": joins.concat,
    "Crop": joins.crop,
    "Dropout": _dropout,
    "ELU": _elu,
    "Eltwise": joins.eltwise,
    "Flatten": _flatten,
    "HardSwish": _plain("hardswish"),
    "InnerProduct": _inner_product,
    "LRN": _lrn,
    "Log": _log,
    "Mul": joins.product,
    "PReLU": channelwise.prelu,
    "Pooling": pooling,
    "Power": _power,
    "ReLU": _relu,
    "ReLU6": _plain("relu6"),
    "Reshape": _reshape,
    "Scale": channelwise.scale,
    "ShuffleChannel": _channel_shuffle,
    "Sigmoid": _plain("sigmoid"),
    "Softmax": _softmax,
    "SoftmaxWithLoss": _softmax_with_loss,
    "Swish": _swish,
    "TanH": _plain("tanh"),
}
