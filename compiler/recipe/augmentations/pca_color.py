"""`pca_color`: a random shift of an image's colour along the principal components of the training set's colours."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from ...layers.arguments import NotNegative, OptionalCount, YesOrNo, one_of
from ..augmentation import Augmentation


class PCAColor(Augmentation):
    """Shift the colours along their principal components, for `until` epochs; `rescale=yes` divides by 1 + std."""

    keyword: ClassVar[str] = "pca_color"
    positional: ClassVar[tuple[str, ...]] = ("std",)
    order: ClassVar[int] = 3

    std: NotNegative
    by: Annotated[Literal["eigenvalue", "stddev"], one_of("eigenvalue", "stddev")] = "eigenvalue"
    until: OptionalCount = None
    rescale: YesOrNo = "no"
