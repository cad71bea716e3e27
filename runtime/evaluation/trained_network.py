"""Loads a trained network from the folder of its run: network file, best weights, statistics of its data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from alexc.printable import printable, shell_line

from ..augmentations.view import View
from ..data.dataset_statistics import DatasetStatistics
from ..data.recipe_images import geometry_of, renderer_of
from ..data.views import Renderer, views_for_test
from ..device import place_network
from ..errors import UserError
from ..network_file import NetworkFile, load_network_file
from ..runs.checkpoint import DamagedCheckpoint, load_checkpoint
from ..runs.run_folder import RunFolder


@dataclass(frozen=True, eq=False)
class TrainedNetwork:
    """A network with the weights of a run or a file, in evaluation mode.

    Attributes:
        source: the folder of a run, or a file of weights.
        data: the store of its training images or, for a file of weights, of the images to test with; it may not exist.
        folder: the folder of images or the store that its training was given; None if it was given none.
        checkpoint: the file of the weights.
        epochs: the number of whole epochs of training; None if the file does not say it.
        file: the network file, with the recipe.
        network: the network, on its device.
        statistics: the classes and colour statistics of its training data; no classes for a file of weights.
        outputs: the number of outputs; at least the number of classes.
    """

    source: Path
    data: Path
    folder: Path | None
    checkpoint: Path
    epochs: int | None
    file: NetworkFile
    network: nn.Module
    statistics: DatasetStatistics
    outputs: int

    def test_views(self) -> tuple[View, ...]:
        """The views that the recipe averages over."""
        return views_for_test(self.file.recipe.test, self.statistics.geometry.crop)

    def renderer(self) -> Renderer:
        """Renders its test images."""
        return renderer_of(self.file, self.statistics)

    def class_name(self, output: int) -> str:
        """The class name of an output, safe to print."""
        if not self.statistics.classes:
            return f"output {output}"
        known = output < len(self.statistics.classes)
        return printable(self.statistics.classes[output]) if known else f"output {output}, no class"


def load_trained_network(folder: Path, device: torch.device, checkpoint: Path | None = None) -> TrainedNetwork:
    """The network of a run with its best weights or, before the end of the first epoch, with its newest.

    If the training averages its weights, these are the averaged ones.

    Args:
        folder: the run.
        device: the device of the network.
        checkpoint: another checkpoint file to load instead.

    Raises:
        UserError: the folder is not a run, or a file in it is missing, damaged or changed.
    """
    run = RunFolder(folder)
    record = run.read_record()
    statistics, file = run.read_statistics(), load_network_file(run.network)
    geometry_of(file)
    path = checkpoint or (run.best if run.best.exists() else run.last)
    try:
        content = load_checkpoint(path)
    except DamagedCheckpoint as reason:
        raise UserError(
            f"{printable(path)} is damaged ({reason}): restore the file, or train on with "
            f"--resume {shell_line(folder)} until the next one"
        ) from None
    if content.get("network_sha256") != file.sha256:
        raise UserError(f"{printable(run.network)} was changed after the training began: restore it")
    network = file.build(seed=0)
    outputs = file.outputs(network)
    network.load_state_dict(content.get("average") or content["weights"])
    place_network(network, device).eval()
    epochs = content["state"]["epoch"] if "state" in content else content["epoch"]
    given = None if record["data"] is None else Path(record["data"])
    return TrainedNetwork(
        folder, Path(record["store"]["path"]), given, path, epochs, file, network, statistics, outputs
    )
