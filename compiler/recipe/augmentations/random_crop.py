"""`random_crop`: a window at a random place."""

from __future__ import annotations

from typing import ClassVar

from ...layers.arguments import Count
from ..augmentation import Augmentation


class RandomCrop(Augmentation):
    """Cut a square at a random place."""

    keyword: ClassVar[str] = "random_crop"
    positional: ClassVar[tuple[str, ...]] = ("size",)
    order: ClassVar[int] = 0

    size: Count

    @property
    def view_size(self) -> int:
        """Pixels a side."""
        return self.size
