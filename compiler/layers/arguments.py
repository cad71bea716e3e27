"""The arguments of layer kinds, recipe steps and distributions: pydantic models whose fields are the syntax."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, ClassVar, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, InstanceOf

from ..text.diagnostics import list_in_words

LARGEST_SIZE = 2**20
MOST_ITERATIONS = 2**31 - 1  # Caffe's own limit
MOST_MILESTONES = 32
MOST_CHANNELS = 4  # of the images of a recipe


@dataclass(frozen=True)
class Expects:
    """The values that a field takes.

    Attributes:
        words: a description that completes "must be …".
        choices: the words that the value can be.
        calls: the words before the parentheses of a value such as `pixels(256, 288)`, the usual one first.
        keeps_pairs: whether `3x3` differs from `3`.
    """

    words: str
    choices: tuple[str, ...] = ()
    calls: tuple[str, ...] = ()
    keeps_pairs: bool = False

    @property
    def call(self) -> str:
        """The usual word before the parentheses; "" if no value has any."""
        return self.calls[0] if self.calls else ""

    def in_parentheses(self, value: object) -> tuple[object, ...] | None:
        """The values in the parentheses of a `call`; None for any other value."""
        match value:
            case (str(word), *values) if word == self.call:
                return tuple(values)
            case _:
                return None


class Iterations(tuple[int, ...]):
    """Numbers of iterations since the beginning of a training, where plain numbers are epochs: `iterations(5000)`.

    It has the name and the constructor of a class in the runtime's recipes.
    """

    keyword: ClassVar[str] = "iterations"

    def __new__(cls, *numbers: int) -> Self:
        """Make it from separate numbers."""
        return super().__new__(cls, numbers)

    def __repr__(self) -> str:
        return f"Iterations({', '.join(map(str, self))})"


class Arguments(BaseModel):
    """Base of everything that a spec writes as a keyword with arguments.

    `keyword` is the name in a spec. `positional` lists, in order, the fields that may be written without a key.
    """

    # defer_build: pydantic makes a validator at its first use, because a spec uses only a few of the kinds
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True)

    keyword: ClassVar[str]
    positional: ClassVar[tuple[str, ...]] = ()
    exclusive: ClassVar[tuple[str, ...]] = ()  # a layer that sets one of these ignores defaults for the others

    @classmethod
    def fields(cls) -> list[str]:
        """The names of the fields: first those of the class itself, then those that it shares with others."""
        shared = {name for base in cls.__mro__[1:] if issubclass(base, Arguments) for name in base.model_fields}
        return sorted(cls.model_fields, key=lambda name: name in shared)

    @classmethod
    def expectation(cls, field: str) -> Expects:
        """The values that `field` takes."""
        found = [each for each in cls.model_fields[field].metadata if isinstance(each, Expects)]
        assert found, f"{cls.__name__}.{field} does not say what it expects"
        return found[0]


SIDES = Expects(
    "a whole number of at least 0, height x width as in `1x2`, `sides(top, bottom, left, right)`, or `same`",
    calls=("sides",),
)
RGB = Expects(
    "a number for all channels, or one for each channel, as in `rgb(0.5, 0.4, 0.4)` or `values(0.5, 0.1)`",
    calls=("rgb", "values"),
)
PIXELS = Expects("up to 8 different whole numbers from 1 to 4096, as in `pixels(256, 288, 320)`", calls=("pixels",))
EPOCHS = Expects(
    f"up to {MOST_MILESTONES} whole numbers, each larger than the one before, as in `epochs(120, 130)` or "
    "`iterations(60000, 65000)`",
    calls=("epochs", Iterations.keyword),
)


def _pair(value: object) -> object:
    return (value, value) if isinstance(value, int) else value


def _four_sides(value: object) -> object:
    """(top, bottom, left, right) from a number, a pair, or the call `sides(…)`."""
    sides = SIDES.in_parentheses(value)
    if sides is not None:
        return sides
    match _pair(value):
        case (int(height), int(width)):
            return (height, height, width, width)
        case other:
            return other


def _of_channels(value: object) -> object:
    """The numbers of `rgb(…)`, which are three, of `values(…)`, or of a number for all channels."""
    match value:
        case ("rgb", _, _, _) | ("values", *_):
            return tuple(as_float(number) for number in value[1:])
        case int() | float():
            return (as_float(value),)
        case other:
            return other


def _square(value: object) -> object:
    """One number for the equal sides of a square."""
    match value:
        case (int(height), int(width)) if height == width:
            return height
        case other:
            return other


def _pixels(value: object) -> object:
    """The sizes in the call `pixels(…)`; None, which the field refuses, unless they all differ."""
    sizes = PIXELS.in_parentheses(value)
    return sizes if sizes is not None and len(set(sizes)) == len(sizes) else None


def _epochs(value: object) -> object:
    """The numbers in the call `epochs(…)`; None, which the field refuses, unless they rise."""
    if isinstance(value, Iterations):
        return value
    numbers = EPOCHS.in_parentheses(value)
    return numbers if numbers is not None and _rise(numbers) else None


def _iterations(most: int) -> Callable[[object], object]:
    """A validator that reads the call `iterations(…)` with up to `most` numbers, each larger than the one before.

    Any other call becomes None, which the field refuses; other values stay as they are.
    """

    def read(value: object) -> object:
        match value:
            case (Iterations.keyword, *numbers):
                whole = [each for each in numbers if isinstance(each, int) and 1 <= each <= MOST_ITERATIONS]
                right = len(whole) == len(numbers) and 1 <= len(whole) <= most and _rise(whole)
                return Iterations(*whole) if right else None
            case other:
                return other

    return read


def _rise(numbers: Sequence[object]) -> bool:
    """Whether these are whole numbers, each larger than the one before."""
    return all(isinstance(one, int) and isinstance(next_, int) and one < next_ for one, next_ in pairwise(numbers))


def as_float(value: object) -> object:
    """An int as a float, because a strict `float` field refuses an int."""
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


_Size = Annotated[int, Field(ge=1, le=LARGEST_SIZE)]
_Margin = Annotated[int, Field(ge=0, le=LARGEST_SIZE)]

Count = Annotated[int, Field(ge=1, le=LARGEST_SIZE), Expects(f"a whole number from 1 to {LARGEST_SIZE}")]
OptionalCount = Annotated[int | None, Field(ge=1, le=LARGEST_SIZE), Expects(f"a whole number from 1 to {LARGEST_SIZE}")]
_OF_IMAGE = f"a whole number from 1 to {LARGEST_SIZE}, or height x width as in `480x640`"
# Squares have one number, so that `center_crop 32` and `center_crop 32x32` are the same.
ImageSides = Annotated[_Size | tuple[_Size, _Size], BeforeValidator(_square), Expects(_OF_IMAGE)]
ShorterOrBoth = Annotated[_Size | tuple[_Size, _Size], Expects(_OF_IMAGE, keeps_pairs=True)]
Bits = Annotated[Literal[8, 16], Expects("8 or 16")]
_SIZES = Expects("a whole number of at least 1, or height x width as in `3x5`")
Sizes = Annotated[tuple[_Size, _Size], BeforeValidator(_pair), _SIZES]
OptionalSizes = Annotated[tuple[_Size, _Size] | None, BeforeValidator(_pair), _SIZES]
Margins = Annotated[
    tuple[_Margin, _Margin],
    BeforeValidator(_pair),
    Expects("a whole number of at least 0, or height x width as in `1x2`"),
]
Padding = Annotated[tuple[_Margin, _Margin, _Margin, _Margin] | Literal["same"], BeforeValidator(_four_sides), SIDES]
Real = Annotated[float, BeforeValidator(as_float), Expects("a number")]
NotNegative = Annotated[float, BeforeValidator(as_float), Field(ge=0), Expects("a number of at least 0")]
Positive = Annotated[float, BeforeValidator(as_float), Field(gt=0), Expects("a number greater than 0")]
OptionalPositive = Annotated[float | None, BeforeValidator(as_float), Field(gt=0), Expects("a number greater than 0")]
Colors = Annotated[tuple[float, ...], BeforeValidator(_of_channels), Field(min_length=1, max_length=MOST_CHANNELS), RGB]
PixelSizes = Annotated[
    tuple[Annotated[int, Field(ge=1, le=4096)], ...],
    BeforeValidator(_pixels),
    Field(min_length=1, max_length=8),
    PIXELS,
]
Milestones = Annotated[
    Annotated[
        InstanceOf[Iterations] | Annotated[tuple[_Size, ...], Field(min_length=1, max_length=MOST_MILESTONES)],
        Field(union_mode="left_to_right"),  # else pydantic makes a plain tuple of it
    ],
    BeforeValidator(_epochs),
    BeforeValidator(_iterations(MOST_MILESTONES)),  # pydantic calls the last one first
    EPOCHS,
]
Interval = Annotated[
    _Size | InstanceOf[Iterations],
    BeforeValidator(_iterations(1)),
    Expects(f"a whole number from 1 to {LARGEST_SIZE}, or `iterations(N)`", calls=(Iterations.keyword,)),
]
Warmup = Annotated[
    Annotated[float, BeforeValidator(as_float), Field(ge=0)] | InstanceOf[Iterations],
    BeforeValidator(_iterations(1)),
    Expects("a number of at least 0, or `iterations(N)`", calls=(Iterations.keyword,)),
]
IterationCount = Annotated[int, Field(ge=1, le=MOST_ITERATIONS), Expects(f"a whole number from 1 to {MOST_ITERATIONS}")]
LayerName = Annotated[str, Expects("the name of a layer with weights")]
YesOrNo = Annotated[Literal["yes", "no"], Expects("`yes` or `no`", ("yes", "no"))]
Fraction = Annotated[
    float, BeforeValidator(as_float), Field(ge=0, lt=1), Expects("a number of at least 0 and less than 1")
]


def one_of(*words: str, **meanings: str) -> Expects:
    """The expectation of a field that takes one of these words, or one of the names of `meanings`, which says more."""
    told = [f"`{word}`" for word in words] + [f"`{word}` ({meaning})" for word, meaning in meanings.items()]
    return Expects(list_in_words(told, "or"), (*words, *meanings))
