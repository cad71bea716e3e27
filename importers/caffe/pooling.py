"""Caffe's pooling: how many windows there are, and what a mean counts."""

from __future__ import annotations

from alexc.compiler.layers.kind import Kind, ShapeError

from ..foreign.network import make_kind
from .layer import CaffeLayer
from .translation import Context, Translated, one, pair, sides

_METHODS = {"0": "MAX", "1": "AVE", "2": "STOCHASTIC", "3": "AVE_EXC_PAD", "AVE_TF": "AVE_EXC_PAD"}
_Sides = tuple[int, int, int, int]


def pooling(layer: CaffeLayer, context: Context) -> Translated | None:
    """A pooling layer. The mean `AVE_EXC_PAD` of Synopsys' Caffe does not count the padding."""
    parameters = layer.fields.message("pooling_param")
    parameters.ignore("engine")
    how = parameters.text("pool", "MAX")
    how = _METHODS.get(how, how)
    if how not in ("MAX", "AVE", "AVE_EXC_PAD"):
        context.report(f"`{how}` pooling has no counterpart", parameters.span_of("pool"), "MAX and AVE have one")
        return None
    down = parameters.text("round_mode", "CEIL") in ("FLOOR", "1") or not parameters.flag("ceil_mode", True)
    if parameters.flag("global_pooling", False):
        return _global_pooling(layer, context, "maxpool" if how == "MAX" else "avgpool")
    window = pair(parameters, "kernel_size", "kernel_h", "kernel_w", None, context.findings)
    stride = pair(parameters, "stride", "stride_h", "stride_w", 1, context.findings)
    pad = sides(parameters, context)
    if window is None or stride is None or pad is None:
        if window is None:
            context.report(f"`{layer.name}` has no `kernel_size`", layer.span, code="E0904")
        return None
    arguments: dict[str, object] = {
        "window": window,
        "stride": None if stride == window else stride,
        "pad": (pad[0], pad[2]),
        "round": "floor" if down else "ceil",
    }
    if how == "AVE_EXC_PAD":
        arguments["count_pad"] = "no"
    kind = make_kind(
        "maxpool" if how == "MAX" else "avgpool",
        arguments,
        layer.span,
        context.findings,
        {"window": parameters.span_of("kernel_size")},
    )
    if kind is None:
        return None
    wanted = _caffe_maps(window, stride, pad, down, context)
    if (pad[0], pad[2]) != (pad[1], pad[3]):
        return _with_another_far_side(kind, wanted, how, layer, context)
    return [kind] if down or wanted is None or _makes(kind, wanted, layer, context) else None


def _global_pooling(layer: CaffeLayer, context: Context, keyword: str) -> Translated | None:
    """Pooling over whole maps: the output is a vector, or maps of one value if a later layer needs maps."""
    if not context.read_as_maps:
        return one(f"global_{keyword}", {}, layer, context)
    if keyword == "avgpool":
        return one("adaptive_avgpool", {"size": 1}, layer, context)
    if context.input_shape is not None and len(context.input_shape.sizes) == 3:
        return one(keyword, {"window": context.input_shape.sizes[1:]}, layer, context)
    context.report("the size of the pooled maps is not known", layer.span)
    return None


def _makes(kind: Kind, wanted: tuple[int, int], layer: CaffeLayer, context: Context) -> bool:
    """Whether alexc has as many windows as Caffe, which keeps even a window beyond the maps if there is no padding."""
    made = _maps(kind, context)
    if made is not None and made != wanted:
        message = (
            f"Caffe makes maps of {wanted[0]}x{wanted[1]} here, with windows that read nothing; alexc "
            f"{made[0]}x{made[1]}"
        )
        context.report(message, layer.span, "a stride that is not larger than the window")
        return False
    return True


def _with_another_far_side(
    kind: Kind, wanted: tuple[int, int] | None, how: str, layer: CaffeLayer, context: Context
) -> Translated | None:
    """The pool with equal padding on both sides that has the same windows, with either rounding, if there is one.

    Windows begin in the same places, since the padding before the maps is the same. What lies behind them counts for
    no maximum, and for no mean without padding.
    """
    for rounding in ("floor", "ceil"):
        rounded = kind.model_copy(update={"round": rounding})
        if how != "AVE" and wanted is not None and _maps(rounded, context) == wanted:
            return [rounded]
    message = "this pool has another padding at the far side, for which there is no pool with the same windows"
    context.report(message, layer.span, "pad the same number of places on both sides")
    return None


def _maps(kind: Kind, context: Context) -> tuple[int, int] | None:
    """Height and width of the pooled maps; None if they are not known, or if the check of the spec reports an error."""
    if context.input_shape is None or len(context.input_shape.sizes) != 3:
        return None
    try:
        _, height, width = kind.output(context.input_shape, 1).sizes
    except ShapeError:
        return None
    return height, width


def _caffe_maps(
    window: tuple[int, int], stride: tuple[int, int], pad: _Sides, down: bool, context: Context
) -> tuple[int, int] | None:
    """Height and width of the maps that Caffe makes, or None if its input is not known.

    With padding, Caffe drops a last window that starts behind the maps.
    """
    if context.input_shape is None or len(context.input_shape.sizes) != 3:
        return None
    _, height, width = context.input_shape.sizes
    return (
        _places(height, window[0], stride[0], pad[:2], down, any(pad)),
        _places(width, window[1], stride[1], pad[2:], down, any(pad)),
    )


def _places(size: int, window: int, stride: int, pad: tuple[int, int], down: bool, clips: bool) -> int:
    room = size + sum(pad) - window
    places = (room // stride if down else -(-room // stride)) + 1
    return places - 1 if clips and (places - 1) * stride >= size + pad[0] else places
