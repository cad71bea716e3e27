"""`pca_color`: a random shift of an image's colour along the principal components of the training set's colours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from .augmentation import Augmentation, Draw, ImageSource, View


@dataclass(frozen=True)
class Division:
    """Divides a view by a number."""

    by: np.float32

    def __call__(self, pixels: NDArray[np.float32]) -> None:
        """Divide `pixels` (height, width, channels) in place."""
        np.divide(pixels, self.by, out=pixels)


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

    def drawing(self, source: ImageSource) -> Draw:
        """A draw from N(0, 1) for each component, as many as there are channels."""
        components = self.components(source)

        def draw(view: View, random: np.random.Generator) -> None:
            view.color = tuple((components @ random.standard_normal(len(components))).tolist())
            if self.rescale == "yes":
                view.overlays = (*view.overlays, Division(np.float32(1 + self.std)))

        return draw

    def components(self, source: ImageSource) -> NDArray[np.float64]:
        """(channels, channels): column i is what a draw of 1 adds along component i, in grey levels of 0..255."""
        scale = source.eigenvalues if self.by == "eigenvalue" else np.sqrt(source.eigenvalues)
        return np.asarray(source.eigenvectors * (self.std * scale * 255))
