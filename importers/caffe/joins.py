"""Caffe's layers with several inputs or outputs."""

from __future__ import annotations

from alexc.compiler.layers.kind import Kind, Shape
from alexc.compiler.text.diagnostics import Diagnostic

from ..foreign.network import make_kind
from .layer import CaffeLayer
from .translation import Context, Part, Translated, one, require_axis

_OPERATIONS = {"0": "PROD", "1": "SUM", "2": "MAX"}
_KINDS = {"PROD": "multiply", "SUM": "add", "MAX": "maximum"}


def concat(layer: CaffeLayer, context: Context) -> Translated | None:
    """A concatenation of channels."""
    parameters = layer.fields.message("concat_param")
    if parameters.has("axis"):
        require_axis(parameters, "axis", context)
    require_axis(parameters, "concat_dim", context)
    return one("concat", {}, layer, context)


def eltwise(layer: CaffeLayer, context: Context) -> Translated | None:
    """A sum, a product or a maximum. A factor of a sum is an `affine` of its input."""
    parameters = layer.fields.message("eltwise_param")
    parameters.ignore("stable_prod_grad")
    operation = parameters.text("operation", "SUM")
    operation = _OPERATIONS.get(operation, operation)
    factors = parameters.numbers("coeff")
    if operation not in _KINDS:
        message = f"`{operation}` of layers has no counterpart"
        context.report(message, parameters.span_of("operation"), "SUM, PROD and MAX have one")
        return None
    if factors and (operation != "SUM" or len(factors) != len(layer.bottoms)):
        message = f"{len(factors)} values of `coeff` do not fit a {operation} of {len(layer.bottoms)} layers"
        context.report(message, parameters.span_of("coeff"), "a SUM has one for each `bottom`", "E0904")
        return None
    join = make_kind(_KINDS[operation], {}, layer.span, context.findings)
    return None if join is None else _of_scaled(join, factors or [1.0] * len(layer.bottoms), layer, context)


def _of_scaled(join: Kind, factors: list[float], layer: CaffeLayer, context: Context) -> Translated | None:
    """A join of its inputs times these factors."""
    inputs, parts = len(factors), list[Part]()
    reads = list(range(inputs))
    for number, factor in enumerate(factors):
        if factor != 1:
            kind = make_kind("affine", {"scale": factor}, layer.span, context.findings)
            if kind is None:
                return None
            reads[number] = inputs + len(parts)
            parts.append(Part(kind, (number,)))
    return [*parts, Part(join, tuple(reads))]


def axpy(layer: CaffeLayer, context: Context) -> Translated | None:
    """SENet's `Axpy`: the first input, one value for each map, times the second one, plus the third one."""
    if len(layer.bottoms) != 3:
        context.report(f"an `Axpy` has 3 inputs, but `{layer.name}` has {len(layer.bottoms)}", layer.span, "", "E0904")
        return None
    product = make_kind("multiply", {}, layer.span, context.findings)
    total = make_kind("add", {}, layer.span, context.findings)
    return None if product is None or total is None else [Part(product, (1, 0)), Part(total, (3, 2))]


def product(layer: CaffeLayer, context: Context) -> Translated | None:
    """Synopsys' `Mul` of two layers."""
    return one("multiply", {}, layer, context)


def crop(layer: CaffeLayer, context: Context) -> Translated | None:
    """A crop that leaves everything: nothing."""
    parameters = layer.fields.message("crop_param")
    axis, offsets = parameters.whole("axis", 2), parameters.whole_numbers("offset")
    shape, wanted = (*context.shapes, None, None)[:2]
    if shape is None or wanted is None:
        context.report("the sizes of the cropped maps are not known", layer.span)
        return None
    from_ = axis + 1 + len(shape.sizes) if axis < 0 else axis  # the axis of the images is 0
    kept = shape.sizes[max(from_ - 1, 0) :] == wanted.sizes[max(from_ - 1, 0) :]
    if len(shape.sizes) != len(wanted.sizes) or not kept or any(offsets):
        message = f"a crop of {shape} to {wanted} has no counterpart"
        context.report(message, layer.span, "a crop to the size that the maps have is left out")
        return None
    return []


def slices(layer: CaffeLayer, shape: Shape | None, findings: list[Diagnostic]) -> list[Kind | None] | None:
    """A slice of the channels for each output of a Slice; None for an output that is the whole input.

    Returns None and reports an error if it has no counterpart.
    """
    context = Context([shape], read_as_maps=False, has_initial_values=False, findings=findings)
    parameters = layer.fields.message("slice_param")
    require_axis(parameters, "slice_dim" if parameters.has("slice_dim") else "axis", context)
    points, count = parameters.whole_numbers("slice_point"), len(layer.tops)
    before = len(findings)
    if count == 1 and not points:
        return [None]
    if not points and (shape is None or shape.channels % count):
        context.report(f"the input cannot be cut into {count} equal parts", layer.span)
        return None
    if points and len(points) != count - 1:
        message = f"{count} outputs need {count - 1} values of `slice_point`, not {len(points)}"
        context.report(message, parameters.span_of("slice_point"), code="E0904")
        return None
    width = 0 if points or shape is None else shape.channels // count
    starts = [0, *(points or [width * number for number in range(1, count)])]
    made = [
        make_kind("slice", {"first": first, "end": end}, layer.span, findings)
        for first, end in zip(starts, [*starts[1:], None], strict=True)
    ]
    findings += [
        Diagnostic("E0903", f"`{each.name}` of a `Slice` has no counterpart", each.span)
        for each in layer.fields.unread()
    ]
    return [*made] if len(findings) == before and None not in made else None
