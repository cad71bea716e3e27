"""The losses of the layer files: of classes, and over a vector of labels per image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from alexc.compiler.recipe.steps import BinaryCrossEntropy, CrossEntropy, LogSquare, Loss, Square
from alexc.compiler.text.diagnostics import Diagnostic

from .layers import COSTS, LABEL_COSTS, CudaLayer

_LOSSES: Mapping[str, Loss] = {
    "cost.crossent2": BinaryCrossEntropy(),
    "cost.bce": BinaryCrossEntropy(),
    "cost.rflickr": LogSquare(),
    "cost.sum2": Square(),
}
assert tuple(_LOSSES) == LABEL_COSTS


def without_differences(layers: Mapping[str, CudaLayer]) -> dict[str, CudaLayer]:
    """The layers without those that subtract labels from outputs: a `cost.sum2` reads both instead.

    Raises:
        ReadError: the factors of such a layer are not numbers.
    """
    found = dict(layers)
    for cost in layers.values():
        if cost.type != "cost.sum2" or len(cost.inputs) != 1:
            continue
        difference = layers[cost.inputs[0]]
        read_elsewhere = any(difference.name in each.inputs for each in layers.values() if each is not cost)
        if difference.type != "eltsum" or read_elsewhere or len(difference.inputs) != 2:
            continue
        labels = [name for name in difference.inputs if layers[name].type == "data"]
        outputs = [name for name in difference.inputs if layers[name].type != "data"]
        factors = coefficients(difference)
        if len(labels) == len(outputs) == 1 and sorted(factors) == [-1, 1]:
            found[cost.name] = replace(cost, inputs=(*labels, *outputs))
            del found[difference.name]
    return found


def coefficients(layer: CudaLayer) -> list[float]:
    """The factors of the inputs of an `eltsum`, in the parameter file or, in 2012, in the layer file."""
    said = layer.parameters if layer.parameters is not None and "coeffs" in layer.parameters else layer.options
    values = said.numbers("coeffs", 1.0)
    return values * len(layer.inputs) if len(values) == 1 else values


def loss_of(layers: Mapping[str, CudaLayer], findings: list[Diagnostic]) -> Loss | None:
    """The loss of the recipe; None, with a warning, if a recipe cannot express it.

    Raises:
        ReadError: a factor of the loss is not a number.
    """
    costs = [layer for layer in layers.values() if layer.type in COSTS]
    cost = next((layer for layer in costs if layer.type in LABEL_COSTS), None)
    if cost is None:
        return CrossEntropy()
    reason = "the network has several losses" if len(costs) > 1 else _hindrance(cost, layers)
    if reason:
        message = f"a recipe cannot express the loss `{cost.name}`: {reason}"
        help_ = "the spec has the network without a recipe"
        findings.append(Diagnostic("W0901", message, cost.options.span("type"), help=help_))
        return None
    return _LOSSES[cost.type]


def _hindrance(cost: CudaLayer, layers: Mapping[str, CudaLayer]) -> str:
    """Why a recipe cannot express a loss over a vector of labels; "" if it can."""
    if len(cost.inputs) != 2 or layers[cost.inputs[0]].type != "data":
        return "it does not compare one layer with labels"
    outputs = layers[cost.inputs[1]]
    if any(outputs.name in layer.inputs for layer in layers.values() if layer is not cost):
        return f"another layer reads `{outputs.name}`, too"
    if _LOSSES[cost.type] == BinaryCrossEntropy() and outputs.options.text("neuron", "") != "logistic":
        return f"`{outputs.name}` does not have logistic neurons"
    for key in ("coeff", "posWeight"):
        if cost.parameters is not None and cost.parameters.number(key, 1.0) != 1:
            return f"it has a factor, `{key}`"
    return ""
