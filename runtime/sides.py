"""The sides of images as a recipe writes them: one number for squares, else (height, width); and their channels."""

from __future__ import annotations

from .errors import UserError

MOST_CHANNELS = 4  # of an image: grey, grey and alpha, RGB, RGB and alpha
Sides = int | tuple[int, int]


def height_and_width(sides: Sides) -> tuple[int, int]:
    """(height, width), in pixels.

    Raises:
        UserError: a hand-written recipe has something else.
    """
    match sides:
        case int():
            return sides, sides
        case (int(height), int(width)):
            return height, width
    raise UserError(f"{sides!r} is not the size of an image: expected a number of pixels, or (height, width)")


def sides_text(sides: Sides) -> str:
    """The sides as a spec writes them: `256`, `480x640`."""
    return str(sides) if isinstance(sides, int) else "x".join(map(str, sides))
