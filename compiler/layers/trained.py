"""The base of the kinds with weights: factors of the learning rate and of the weight decay."""

from __future__ import annotations

from .arguments import NotNegative
from .kind import Kind


class Trained(Kind):
    """Base of the kinds with weights.

    `weight_rate` and `bias_rate` multiply the recipe's learning rate for this layer. `weight_decay` and `bias_decay`
    multiply its weight decay. A rate of 0 keeps the initial values.
    """

    weight_rate: NotNegative = 1.0
    weight_decay: NotNegative = 1.0
    bias_rate: NotNegative = 1.0
    bias_decay: NotNegative = 1.0

    def multipliers(self) -> dict[str, tuple[float, float]]:
        """The factors of the weights and, if the layer has biases, of the biases."""
        both = {"weight": (self.weight_rate, self.weight_decay), "bias": (self.bias_rate, self.bias_decay)}
        has_bias = getattr(self, "bias", None) is not None
        return {name: pair for name, pair in both.items() if pair != (1.0, 1.0) and (has_bias or name == "weight")}
