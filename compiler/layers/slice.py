"""`slice`: some of the channels."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from .arguments import LARGEST_SIZE, Expects, OptionalCount
from .kind import ArgumentEdit, Kind, Shape, ShapeError, TorchIndex
from .reading import require_channels_together


class Slice(Kind):
    """Keeps the feature maps, or units, from number `first` up to, but not including, number `end`.

    They are counted from 0. Without `end` it keeps all from `first` on. Two slices split the maps as ShuffleNet does:
    `slice 0 58` and `slice 58`.
    """

    keyword: ClassVar[str] = "slice"
    positional: ClassVar[tuple[str, ...]] = ("first", "end")

    first: Annotated[int, Field(ge=0, le=LARGEST_SIZE), Expects("a whole number of at least 0")]
    end: OptionalCount = None

    def output(self, given: Shape, towers: int) -> Shape:  # noqa: ARG002
        """(channels, height, width) to (end - first, height, width)."""
        require_channels_together(given, "slice")
        end = given.channels if self.end is None else self.end
        if not self.first < end <= given.channels:
            message = f"keeps the channels from {self.first} up to {end}, but there are {given.channels}"
            help_ = f"use numbers up to {given.channels}, the first one less than `end`"
            edits = (ArgumentEdit("end", str(given.channels)),) if self.first < given.channels else ()
            raise ShapeError("E0303", message, "first" if self.end is None else "end", help_, edits)
        return Shape((end - self.first, *given.sizes[1:]))

    def torch(self, given: Shape, output: Shape) -> TorchIndex:
        """A slice along dimension 1."""
        end = self.first + output.channels
        return TorchIndex(f":, {self.first or ''}:{end if end < given.channels else ''}")
