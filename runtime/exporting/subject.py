"""The network to export, in evaluation mode, with the statistics of its data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ..augmentations.view import same_views
from ..data.batch_loader import BatchLoader
from ..data.dataset_statistics import DatasetStatistics
from ..data.recipe_images import renderer_of
from ..data.store import is_store, open_store
from ..data.views import central_view
from ..evaluation.file_weights import (
    NETWORK_ENDINGS,
    Preparation,
    check_classes,
    load_classifier,
    prepared,
    required_weights,
    with_mean_image,
    with_weights,
)
from ..network_file import ModuleFile, NetworkFile, load_module_file
from ..recipes import Normalize
from ..runs.run_folder import RunFolder

SAMPLES = 5
_SEED = 0
_PIXELS = 64.0  # about the standard deviation of pixels in photographs, 0..255


@dataclass(frozen=True, eq=False)
class Subject:
    """A network to export.

    Attributes:
        file: its file; with the recipe that the command line says, if it says one.
        network: on the CPU, in evaluation mode.
        statistics: the classes and statistics of its training data; None for weights without a run.
        images: test inputs by name, each (SAMPLES, channels, height, width).
    """

    file: ModuleFile
    network: nn.Module
    statistics: DatasetStatistics | None
    images: dict[str, Tensor]


def subject_of(source: Path, weights: Path | None, said: Preparation) -> Subject:
    """The network of a run with its best weights or those of a checkpoint, or of a file with weights of another file.

    Raises:
        UserError: they cannot be read, or do not fit each other.
    """
    if source.suffix not in NETWORK_ENDINGS or source.is_dir():
        trained = load_classifier(source, weights, said, torch.device("cpu"))
        network = trained.network.to(memory_format=torch.contiguous_format)
        images = _random_images(trained.file) | _validation_images(trained.source, trained.file, trained.statistics)
        return Subject(trained.file, network, trained.statistics, images)
    file = load_module_file(source)
    network = with_weights(file, required_weights(source, weights))
    shown = prepared(file, said) or file
    check_classes(said, file.name, file.outputs(network))
    statistics = None
    if said.mean_image is not None and shown.recipe is not None:
        statistics = with_mean_image(NetworkFile.of(shown, shown.recipe), said.mean_image, said.classes)
    return Subject(shown, network, statistics, _random_images(shown))


def which_weights(run: Path) -> str:
    """A remark for the user about weights that no validation has chosen; "" for the best weights."""
    return "" if RunFolder(run).best.exists() else ", the newest weights: no epoch has ended yet"


def _random_images(file: ModuleFile) -> dict[str, Tensor]:
    steps = file.recipe.prepare if file.recipe else ()
    scale = 1.0 if any(isinstance(part, Normalize) for part in steps) else _PIXELS
    generator = torch.Generator().manual_seed(_SEED)
    return {"random": torch.randn(SAMPLES, *file.input_shape, generator=generator) * scale}


def _validation_images(folder: Path, file: NetworkFile, statistics: DatasetStatistics) -> dict[str, Tensor]:
    """Central views of the first validation images of a run, if its store still exists."""
    path = Path(RunFolder(folder).read_record()["store"]["path"])
    if not is_store(path):
        return {}
    store = open_store(path)
    if not len(store.val):
        return {}
    view = central_view(store.geometry.crop, file.size)
    with BatchLoader(renderer_of(file, statistics), file.size, SAMPLES, threads=1) as feed:
        group = np.arange(SAMPLES) % len(store.val)
        (batch,) = feed.batches(store.val, [group], same_views([view]))
        return {"validation": batch.images.contiguous()}
