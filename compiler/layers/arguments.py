"""The arguments of a kind, as a pydantic model whose fields are the syntax."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from ..text.diagnostics import list_in_words

LARGEST_SIZE = 2**20


@dataclass(frozen=True)
class Expects:
    """What a field's value may be, in words that complete "must be …".

    Attributes:
        words: those words.
        choices: the words that the value may be.
        call: where the value is a tuple, the word before its parentheses; "" where its form tells.
    """

    words: str
    choices: tuple[str, ...] = ()
    call: str = ""


class Arguments(BaseModel):
    """Base of everything that a spec writes as a kind with arguments.

    `keyword` is the kind's name in a spec; `positional` lists the fields that may be given without their key, in order.
    """

    # a spec uses few of the kinds: pydantic makes a validator when the first value is read
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True)

    keyword: ClassVar[str]
    positional: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def fields(cls) -> list[str]:
        """The names of the fields, those of the kind itself before those that many kinds have."""
        shared = {name for base in cls.__mro__[1:] if issubclass(base, Arguments) for name in base.model_fields}
        return sorted(cls.model_fields, key=lambda name: name in shared)

    @classmethod
    def expectation(cls, field: str) -> Expects:
        """What `field` may be."""
        found = [each for each in cls.model_fields[field].metadata if isinstance(each, Expects)]
        assert found, f"{cls.__name__}.{field} does not say what it expects"
        return found[0]


def _pair(value: object) -> object:
    return (value, value) if isinstance(value, int) else value


def _four_sides(value: object) -> object:
    """(top, bottom, left, right) of a number, of a pair, or of the call `sides(…)`."""
    match _pair(value):
        case (int(height), int(width)):
            return (height, height, width, width)
        case ("sides", *sides):
            return tuple(sides)
        case other:
            return other


def _rgb(value: object) -> object:
    """(red, green, blue) of the call `rgb(…)`."""
    match value:
        case ("rgb", *channels):
            return tuple(as_float(channel) for channel in channels)
        case other:
            return other


def _pixels(value: object) -> object:
    """The sizes of the call `pixels(…)`."""
    match value:
        case ("pixels", *sizes) if len(set(sizes)) == len(sizes):
            return tuple(sizes)
        case _:
            return None


def _epochs(value: object) -> object:
    """The rising numbers of the call `epochs(…)`."""
    match value:
        case ("epochs", *numbers) if all(
            isinstance(one, int) and isinstance(next_, int) and one < next_ for one, next_ in pairwise(numbers)
        ):
            return tuple(numbers)
        case _:
            return None


def as_float(value: object) -> object:
    """Whole numbers as the fractions that a field of `float` is strict about."""
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


_Size = Annotated[int, Field(ge=1, le=LARGEST_SIZE)]
_Margin = Annotated[int, Field(ge=0, le=LARGEST_SIZE)]

Count = Annotated[int, Field(ge=1, le=LARGEST_SIZE), Expects(f"a whole number from 1 to {LARGEST_SIZE}")]
_SIZES = Expects("a whole number of at least 1, or height x width as in `3x5`")
Sizes = Annotated[tuple[_Size, _Size], BeforeValidator(_pair), _SIZES]
OptionalSizes = Annotated[tuple[_Size, _Size] | None, BeforeValidator(_pair), _SIZES]
Margins = Annotated[
    tuple[_Margin, _Margin],
    BeforeValidator(_pair),
    Expects("a whole number of at least 0, or height x width as in `1x2`"),
]
Padding = Annotated[
    tuple[_Margin, _Margin, _Margin, _Margin] | Literal["same"],
    BeforeValidator(_four_sides),
    Expects("a whole number of at least 0, height x width as in `1x2`, `sides(top, bottom, left, right)`, or `same`"),
]
Real = Annotated[float, BeforeValidator(as_float), Expects("a number")]
NotNegative = Annotated[float, BeforeValidator(as_float), Field(ge=0), Expects("a number of at least 0")]
Positive = Annotated[float, BeforeValidator(as_float), Field(gt=0), Expects("a number greater than 0")]
Colors = Annotated[
    tuple[float, float, float],
    BeforeValidator(_rgb),
    Expects("a number for each channel, as in `rgb(0.5, 0.4, 0.4)`"),
]
PixelSizes = Annotated[
    tuple[Annotated[int, Field(ge=1, le=4096)], ...],
    BeforeValidator(_pixels),
    Field(min_length=1, max_length=8),
    Expects("up to 8 different whole numbers from 1 to 4096, as in `pixels(256, 288, 320)`", call="pixels"),
]
Epochs = Annotated[
    tuple[Annotated[int, Field(ge=1, le=LARGEST_SIZE)], ...],
    BeforeValidator(_epochs),
    Field(min_length=1, max_length=32),
    Expects("up to 32 whole numbers, each larger than the one before, as in `epochs(120, 130)`", call="epochs"),
]
YesOrNo = Annotated[Literal["yes", "no"], Expects("`yes` or `no`", ("yes", "no"))]
Fraction = Annotated[
    float, BeforeValidator(as_float), Field(ge=0, lt=1), Expects("a number from 0 up to, and without, 1")
]


def one_of(*words: str) -> Expects:
    """The expectation of a field that takes one of a few words."""
    return Expects(list_in_words([f"`{word}`" for word in words], "or"), words)
