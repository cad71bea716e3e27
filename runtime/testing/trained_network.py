"""A trained network, from its run's folder alone: the network file, its best weights, what it knows of its data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from alexc.runtime.data.dataset_facts import DatasetFacts
from alexc.runtime.data.preparation import geometry_of, renderer_of
from alexc.runtime.data.views import Renderer, View, views_for_test
from alexc.runtime.device import place_network
from alexc.runtime.errors import UserError
from alexc.runtime.network_file import NetworkFile, load_network_file
from alexc.runtime.printable import printable
from alexc.runtime.training.checkpoint import DamagedCheckpoint, load_checkpoint
from alexc.runtime.training.run_folder import RunFolder


@dataclass(frozen=True, eq=False)
class TrainedNetwork:
    """A network with the weights of a run, in evaluation mode.

    Attributes:
        run: where it comes from.
        checkpoint: the file of the weights.
        epochs: how many whole epochs made them.
        file: the network file, with the recipe.
        network: on its device.
        facts: the classes and the colours of its training data.
        outputs: how many outputs it has; at least as many as there are classes.
    """

    run: RunFolder
    checkpoint: Path
    epochs: int
    file: NetworkFile
    network: nn.Module
    facts: DatasetFacts
    outputs: int

    def test_views(self) -> tuple[View, ...]:
        """The views that its recipe averages over."""
        return views_for_test(self.file.recipe.test, self.facts.geometry.crop)

    def renderer(self) -> Renderer:
        """Renders what it is shown."""
        return renderer_of(self.file, self.facts)

    def class_name(self, output: int) -> str:
        """The name of the class of an output, safe to print."""
        known = output < len(self.facts.classes)
        return printable(self.facts.classes[output]) if known else f"output {output}, no class"


def load_trained_network(folder: Path, device: torch.device) -> TrainedNetwork:
    """Load the best weights of a run, or the newest where no epoch has ended yet.

    Raises:
        UserError: when the folder is not a run, or a file in it is missing, damaged or changed.
    """
    run = RunFolder(folder)
    run.read_record()
    facts, file = run.read_facts(), load_network_file(run.network)
    geometry_of(file)
    path = run.best if run.best.exists() else run.last
    try:
        content = load_checkpoint(path)
    except DamagedCheckpoint as reason:
        raise UserError(
            f"{printable(path)} is damaged ({reason}): restore the file, or train on with --resume until the next one"
        ) from None
    if content["network_sha256"] != file.sha256:
        raise UserError(f"{printable(run.network)} was changed after the training began: restore it")
    network = file.build(seed=0)
    outputs = file.outputs(network)
    network.load_state_dict(content["weights"])
    place_network(network, device).eval()
    epochs = content["epoch"] if path == run.best else content["state"]["epoch"]
    return TrainedNetwork(run, path, epochs, file, network, facts, outputs)
