"""The kinds and arguments of cuda-convnet's layers without weights."""

from __future__ import annotations

import re
from typing import Literal

from alexc.compiler.layers.kind import ShapeError
from alexc.compiler.layers.window import Rounding, places
from alexc.compiler.text.diagnostics import Diagnostic

from ..foreign.options import Options, ReadError, number_in
from .layers import CudaLayer

KindOfLayer = tuple[str, dict[str, object]]

_NEURONS = {
    "relu": "relu", "logistic": "sigmoid", "softrelu": "softplus", "tanh": "tanh", "abs": "abs", "square": "square",
    "sqrt": "sqrt",
}  # fmt: skip
_ROUNDINGS: tuple[Rounding, ...] = ("floor", "ceil")


def pool(layer: CudaLayer, side: int) -> KindOfLayer:
    """A pool over square maps of this side: `start` is a negative margin, and the last window may reach over the edge.

    Raises:
        ReadError: it has no counterpart.
    """
    options = layer.options
    how = options.text("pool")
    if how == "rand":
        message = f"`{layer.name}` has `pool=rand`, whose kernel is not published: nobody knows what it computes"
        raise options.error("E0903", message, "pool", "if you know it, replace it in the file by `max` or `avg`")
    if how not in ("max", "avg"):
        raise options.error("E0903", f"`pool={how}` has no counterpart", "pool", "`max` and `avg` have")
    if how == "avg" and options.flag("sum", False):
        raise options.error("E0903", f"`{layer.name}` sums its windows", "sum", "`avg` has a counterpart")
    size, stride = options.whole("sizeX", least=1), options.whole("stride", least=1)
    margin = -options.whole("start", 0, least=-(10**6))
    if margin < 0:
        raise options.error("E0903", f"`{layer.name}` skips the first {-margin} values of each side", "start")
    wanted = options.whole("outputsX", 0) or -(-(side + margin - size) // stride) + 1
    arguments: dict[str, object] = {"window": (size, size), "pad": (margin, margin)}
    if stride != size:
        arguments["stride"] = (stride, stride)
    if how == "avg" and margin:
        arguments["count_pad"] = "no"
    try:
        for rounding in _ROUNDINGS:
            if places(side, size, stride, (margin, margin), "high", "window", rounding) == wanted:
                return f"{how}pool", {**arguments, "round": rounding}
    except ShapeError as misfit:
        raise options.error("E0904", f"`{layer.name}` {misfit}", "sizeX") from None
    message = f"`{layer.name}` has an output of {wanted} values per side, which no rounding gives for {side}"
    raise options.error("E0903", message, "outputsX" if "outputsX" in options else "start")


def normalisation(layer: CudaLayer, over: Literal["tower", "all"] | None) -> KindOfLayer:
    """A response normalisation, whose scale the library divides by the number of values in its window.

    Raises:
        ReadError: it has no counterpart, or its parameters are missing.
    """
    options, parameters = layer.options, layer.parameters
    said = next((each for each in (parameters, options) if each is not None and "scale" in each), None)
    if said is None:
        message = f"the scale of `{layer.name}` is in the parameter file"
        raise ReadError(Diagnostic("E0906", message, options.section.span, help="give that file too"))
    if options.flag("blocked", False):
        raise options.error("E0903", f"`{layer.name}` normalises blocks of maps", "blocked")
    size = options.whole("sizeX" if "sizeX" in options else "size", least=1)  # `sizeX` in the first version
    across = layer.type == "cmrnorm"
    if size % 2 == 0 and not across:
        message = (
            f"`{layer.name}` has a window of {size} values per side, but a window around the centre has an odd number"
        )
        raise options.error("E0903", message, "size")
    return "lrn", {
        "size": size,
        "k": said.number("minDiv", 1.0),
        "alpha": said.number("scale", least=0),
        "beta": said.number("pow", least=0),
        "norm": "mean",
        **({"over": over} if across else {"within": "map"}),
        **({"about": "mean"} if layer.type == "cnorm" else {}),
    }


def image_layer(layer: CudaLayer) -> KindOfLayer:
    """One of the layers without parameters that change each map by itself: `blur`, `nailbed`, `href`.

    Raises:
        ReadError: an argument is missing, or not valid.
    """
    options = layer.options
    if layer.type == "blur":
        return "blur", {"size": options.whole("filterSize", least=1), "std": options.number("stdev", least=0)}
    if layer.type == "nailbed":
        if options.whole("start", 0, least=-(10**6)):
            raise options.error("E0903", f"`{layer.name}` begins at a place of its own", "start")
        stride = options.whole("stride", least=1)
        return "subsample", {"stride": (stride, stride)}
    return "flip", {}


def dropout(layer: CudaLayer, findings: list[Diagnostic]) -> KindOfLayer | None:
    """Dropout, or None if it is off. `hs`, its name in 2012, has `keep` in the layer file.

    Raises:
        ReadError: it has no counterpart.
    """
    parameters = layer.parameters
    said = layer.options if layer.type == "hs" else parameters
    keep = said.number("keep", None if layer.type == "hs" else 0.5) if said is not None else 0.5
    if said is not None and not 0 < keep <= 1:
        raise said.error("E0904", f"`keep` must be above 0 and at most 1, not {keep:g}", "keep")
    if parameters is not None and not parameters.flag("enable", True):
        if layer.type == "dropout" or keep == 1:
            return None
        raise parameters.error("E0903", f"`{layer.name}` drops nothing, but multiplies by {keep:g}", "enable")
    if layer.type == "dropout":
        message = f"`{layer.name}` does not scale at test time, which has no counterpart; the spec has `scale=test`"
        help_ = "cuda-convnet2's `dropout2` is `scale=test`"
        findings.append(Diagnostic("W0901", message, layer.options.span("type"), help=help_))
    return "dropout", {"p": round(1 - keep, 12), "scale": "test"}


def neurons(options: Options) -> list[KindOfLayer]:
    """The kinds of a layer's activation, in order; none for the identity.

    Raises:
        ReadError: it has no counterpart.
    """
    written = options.text("neuron", "")
    text = re.sub(r"\s", "", written)
    call = re.fullmatch(r"(?P<name>[a-z]+)\[(?P<values>[^\]]*)\]", text)
    values = [number_in(each) for each in call["values"].split(",")] if call else []
    known = [value for value in values if value is not None]
    if text in ("", "ident"):
        return []
    if text in _NEURONS:
        return [(_NEURONS[text], {})]
    if call and len(known) == len(values):
        match call["name"], *known:
            case "linear", float(factor), float(shift):
                return _affine(factor, shift)
            case "tanh", float(height), float(slope):
                return [*_affine(slope), ("tanh", {}), *_affine(height)]
            case "abstanh", float(height), float(slope):
                return [*_affine(slope), ("tanh", {}), *_affine(height), ("abs", {})]
            case "brelu", float(limit) if limit > 0:
                return [("relu", {"limit": limit})]
            case "log", float(shift):
                return [*_affine(1.0, shift), ("log", {})]
    help_ = f"these have: {', '.join(_NEURONS)}, ident, linear[a,b], tanh[a,b], brelu[a], log[a]"
    raise options.error("E0903", f"neurons `{written}` have no counterpart", "neuron", help_)


def _affine(scale: float, shift: float = 0.0) -> list[KindOfLayer]:
    """The layer that computes scale * x + shift; none if that is x."""
    if (scale, shift) == (1, 0):
        return []
    arguments: dict[str, object] = {"scale": scale, "shift": shift} if shift else {"scale": scale}
    return [("affine", arguments)]
