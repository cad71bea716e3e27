"""`pca_color`: a random shift of an image's colour along the principal components of the training set's colours."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from ...layers.arguments import NotNegative, one_of
from ..augmentation import Augmentation


class PCAColor(Augmentation):
    """Shift the colours along their principal components."""

    keyword: ClassVar[str] = "pca_color"
    positional: ClassVar[tuple[str, ...]] = ("std",)
    order: ClassVar[int] = 3

    std: NotNegative
    by: Annotated[Literal["eigenvalue", "stddev"], one_of("eigenvalue", "stddev")] = "eigenvalue"
