"""The base of the kinds whose kernels or units can have a bounded norm."""

from __future__ import annotations

from typing import Annotated, Literal

from .arguments import OptionalPositive, one_of
from .kind import ShapeError
from .trained import Trained


class Bounded(Trained):
    """Base of `conv` and `linear`: after each step, the norm of each kernel or unit is brought within bounds."""

    min_norm: OptionalPositive = None
    max_norm: OptionalPositive = None
    norm_about: Annotated[Literal["mean"] | None, one_of("mean")] = None

    def check_norms(self) -> None:
        """Raise a ShapeError if the bounds contradict each other."""
        if self.min_norm is not None and self.max_norm is not None and self.min_norm > self.max_norm:
            message = f"has `min_norm={self.min_norm:g}` above `max_norm={self.max_norm:g}`"
            raise ShapeError("E0204", message, "min_norm")

    def norm_bounds(self) -> tuple[float | None, float | None, str] | None:
        """The smallest and the largest norm, and what it is about, "zero" or "mean"; None without bounds."""
        if self.min_norm is None and self.max_norm is None:
            return None
        return self.min_norm, self.max_norm, self.norm_about or "zero"
