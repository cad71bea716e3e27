"""Initial values of weights: the distributions that `weight=` can name."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import BeforeValidator

from .arguments import Arguments, Expects, NotNegative, Positive, Real, as_float


class Normal(Arguments):
    """`normal(mean, std)`: the normal distribution."""

    keyword: ClassVar[str] = "normal"
    positional: ClassVar[tuple[str, ...]] = ("mean", "std")

    mean: Real
    std: NotNegative


class Uniform(Arguments):
    """`uniform(low, high)`: the uniform distribution between two bounds."""

    keyword: ClassVar[str] = "uniform"
    positional: ClassVar[tuple[str, ...]] = ("low", "high")

    low: Real
    high: Real


class Constant(Arguments):
    """`constant(value)`: the same value everywhere."""

    keyword: ClassVar[str] = "constant"
    positional: ClassVar[tuple[str, ...]] = ("value",)

    value: Real


class Xavier(Arguments):
    """`xavier` or `xavier(gain)`: normal with variance gain^2 * 2 / (fan_in + fan_out) (Glorot and Bengio 2010)."""

    keyword: ClassVar[str] = "xavier"
    positional: ClassVar[tuple[str, ...]] = ("gain",)

    gain: Positive = 1.0


class Kaiming(Arguments):
    """`kaiming`: normal with variance 2 / fan_in, for layers before a ReLU (He et al. 2015)."""

    keyword: ClassVar[str] = "kaiming"


class LeCun(Arguments):
    """`lecun` or `lecun(gain)`: uniform with variance gain^2 / fan_in (LeCun et al. 1998); Caffe's `xavier`."""

    keyword: ClassVar[str] = "lecun"
    positional: ClassVar[tuple[str, ...]] = ("gain",)

    gain: Positive = 1.0


Distribution = Normal | Uniform | Constant | Xavier | Kaiming | LeCun

DISTRIBUTIONS: dict[str, type[Distribution]] = {
    kind.keyword: kind for kind in (Normal, Uniform, Constant, Xavier, Kaiming, LeCun)
}

InitialWeight = Annotated[Distribution, Expects(f"a distribution: {', '.join(DISTRIBUTIONS)}", tuple(DISTRIBUTIONS))]


def _number_or_none(value: object) -> object:
    return None if value == "none" else as_float(value)


InitialBias = Annotated[float | None, BeforeValidator(_number_or_none), Expects("a number, or `none`")]
