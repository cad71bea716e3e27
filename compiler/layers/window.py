"""The geometry of windows that slide over feature maps: convolution and pooling."""

from __future__ import annotations

from typing import Literal

from .kind import Shape, ShapeError

Rounding = Literal["floor", "ceil"]
Side = Literal["high", "wide"]
Sides = tuple[int, int, int, int]  # top, bottom, left, right


def places(
    size: int, window: int, stride: int, pad: tuple[int, int], side: Side, argument: str, rounding: Rounding = "floor"
) -> int:
    """The number of places of a window along a side of `size` values with the padding `pad` before and after it.

    With `rounding="ceil"` the last window can extend past the end, unless it would start in the padding there.

    Raises:
        ShapeError: the window is larger than the padded side.
    """
    room = size + sum(pad) - window
    if room < 0:
        padded = f" ({size + sum(pad)} with the padding)" if sum(pad) else ""
        raise ShapeError(
            "E0303",
            f"has a window of {window}, but its input is only {size} {side}{padded}",
            argument,
            help="use a smaller window, more padding, or smaller strides in the layers before it",
        )
    if rounding == "floor":
        return room // stride + 1
    count = -(-room // stride) + 1
    return count - 1 if (count - 1) * stride >= size + pad[0] else count


def sides_of(pad: Sides | Literal["same"], given: Shape, window: tuple[int, int], stride: tuple[int, int]) -> Sides:
    """The padding of feature maps; with `same`, windows start at every `stride`-th value of a side."""
    if pad != "same":
        return pad
    top, bottom = _same(given.sizes[1], window[0], stride[0])
    left, right = _same(given.sizes[2], window[1], stride[1])
    return top, bottom, left, right


def _same(size: int, window: int, stride: int) -> tuple[int, int]:
    last_start = (size - 1) // stride * stride
    missing = max(last_start + window - size, 0)
    return missing // 2, missing - missing // 2


def arguments_in_torch(
    window: tuple[int, int], stride: tuple[int, int], pad: tuple[int, int], default_stride: int | tuple[int, int]
) -> list[str]:
    """Kernel size, stride and padding as arguments for torch, without those that equal torch's defaults."""
    arguments = [f"kernel_size={_short(window)}"]
    if stride != (default_stride if isinstance(default_stride, tuple) else (default_stride, default_stride)):
        arguments.append(f"stride={_short(stride)}")
    if pad != (0, 0):
        arguments.append(f"padding={_short(pad)}")
    return arguments


def _short(pair: tuple[int, int]) -> str:
    return str(pair[0]) if pair[0] == pair[1] else str(pair)
