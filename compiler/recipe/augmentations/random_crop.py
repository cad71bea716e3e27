"""`random_crop`: a window at a random place."""

from __future__ import annotations

from typing import ClassVar

from ...layers.arguments import Count, ImageSides
from ..augmentation import Augmentation


class RandomCrop(Augmentation):
    """Cut a window at a random place; one place for `group` images in a row of the epoch's order."""

    keyword: ClassVar[str] = "random_crop"
    positional: ClassVar[tuple[str, ...]] = ("size",)
    order: ClassVar[int] = 0

    size: ImageSides
    group: Count = 1

    @property
    def view_size(self) -> int | tuple[int, int]:
        """The size of the view."""
        return self.size
