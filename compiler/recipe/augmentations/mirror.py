"""`mirror`: a random horizontal flip."""

from __future__ import annotations

from typing import ClassVar

from ...layers.arguments import Count, Fraction
from ..augmentation import Augmentation


class Mirror(Augmentation):
    """Flip left to right with this probability; one draw for `group` images in a row of the epoch's order."""

    keyword: ClassVar[str] = "mirror"
    positional: ClassVar[tuple[str, ...]] = ("probability",)
    order: ClassVar[int] = 1

    probability: Fraction = 0.5
    group: Count = 1
