"""The views that an epoch draws, one by one."""

from __future__ import annotations

import numpy as np

from alexc.runtime.augmentations.view import View
from alexc.runtime.data.views import TrainingViews


def views_of(views: TrainingViews, epoch: int, images: int) -> list[View]:
    """The view of each image, for the images 0..images - 1 in this order."""
    return list(views.of_epoch(epoch, np.arange(images)))
