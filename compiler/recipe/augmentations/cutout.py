"""`cutout`: a blank square at a random place."""

from __future__ import annotations

from typing import ClassVar

from ...layers.arguments import Count
from ..augmentation import Augmentation


class Cutout(Augmentation):
    """Blank a square at a random place; it may lie partly outside the view."""

    keyword: ClassVar[str] = "cutout"
    positional: ClassVar[tuple[str, ...]] = ("size",)
    order: ClassVar[int] = 4

    size: Count
