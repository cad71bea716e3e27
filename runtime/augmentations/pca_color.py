"""`pca_color`: a random shift of an image's colour along the principal components of the training set's colours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from .augmentation import Augmentation, ViewSource
from .view import Numbers, Views


@dataclass(frozen=True)
class PCAColor(Augmentation):
    """Add each principal component of the training set's colours times a draw from N(0, std) (section 4.1).

    With `by="eigenvalue"`, as in the paper, a component is also multiplied by its eigenvalue, on the scale where a
    pixel is in 0..1; with `by="stddev"`, by the square root of the eigenvalue. The shift ends after `until` epochs.
    With `rescale="yes"` the finished view is divided by 1 + std as long as there is a shift, as in the program of 2012.
    """

    draw_order: ClassVar[int] = 2

    std: float
    by: Literal["eigenvalue", "stddev"] = "eigenvalue"
    until: int | None = None
    rescale: Literal["yes", "no"] = "no"

    def draw(self, source: ViewSource, random: np.random.Generator, views: int) -> Numbers:
        """(views, channels): the shift of each channel, from a draw from N(0, 1) for each component."""
        components = self.components(source).T
        amounts = random.standard_normal((views, len(components)))
        # A product of matrices would round differently in each library.
        shifts = np.zeros((views, len(components)))
        for place, component in enumerate(components):
            shifts += amounts[:, place, None] * component
        return shifts

    def change(self, views: Views, drawn: Numbers) -> None:
        """Shift the colours."""
        views.colors = drawn
        if self.rescale == "yes":
            views.divisor = float(np.float32(1 + self.std))

    def components(self, source: ViewSource) -> Numbers:
        """(channels, channels): column i is what a draw of 1 adds along component i, in grey levels of 0..255."""
        scale = source.eigenvalues if self.by == "eigenvalue" else np.sqrt(source.eigenvalues)
        return np.asarray(source.eigenvectors * (self.std * scale * 255))
